"""The workflow language: reading templates, checking them, compiling them to Step Functions.

`checks.check` reads and checks, `compiler.compile_workflow` compiles what passed. YAML and JSONata
libraries are imported when the first template is checked, not with these modules.
"""
