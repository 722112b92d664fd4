"""Pictures of workflows: as Mermaid for documents, as SVG for everything else."""
