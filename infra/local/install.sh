#!/usr/bin/env bash
# Makes .venv with everything in it, and the environments of SAM CLI and MiniStack inside it.
# Does nothing when nothing has changed: a stamp holds a checksum of what is asked for.
set -euo pipefail
cd "$(dirname "$0")/../.."

uv_version=0.13.9
asked=(requirements.txt shared/requirements.txt clients/requirements.txt
  clients/requirements-trial.txt infra/local/requirements-sam.txt
  infra/local/requirements-ministack.txt infra/local/install.sh pyproject.toml)
stamp=.venv/installed

say() { printf '%s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

runs() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

# A python3.13 on PATH may be a shim that fails: only one that runs counts.
find_python() {
  local candidate
  for candidate in ${PYTHON:-python3.13 python3.12 python3.11 python3}; do
    if runs "$candidate"; then
      command -v "$candidate"
      return
    fi
  done
  fail "no Python 3.11 or newer found${PYTHON:+ at $PYTHON}; name one with PYTHON=/path/to/python3"
}

# uv reads no pip.conf: an index that was set up for pip is handed on.
use_index_of_pip() {
  local index
  index=$(.venv/bin/python -m pip config list 2>/dev/null |
    sed -n "s/^\(global\|install\|:env:\)\.index-url='\(.*\)'$/\2/p" | tail -n 1)
  if [[ -n $index && -z ${UV_DEFAULT_INDEX:-} ]]; then
    export UV_DEFAULT_INDEX=$index
  fi
}

checksum=$(cat "${asked[@]}" | cksum)
if [[ -x .venv/bin/python && -f $stamp && $(cat "$stamp") == "$checksum" ]] &&
  runs .venv/bin/python; then
  exit 0
fi

python=$(find_python)
if ! runs .venv/bin/python; then
  say "making .venv with $("$python" --version)"
  "$python" -m venv --clear .venv ||
    fail "$python cannot make a virtual environment; on Debian install python3-venv"
fi
rm -f "$stamp"
export PIP_DISABLE_PIP_VERSION_CHECK=1 UV_PYTHON_DOWNLOADS=never
.venv/bin/python -m pip install --quiet "uv==$uv_version"
use_index_of_pip
uv=.venv/bin/uv

say "installing what Ops-Core needs"
$uv pip install --quiet --python .venv/bin/python -r requirements.txt
$uv pip install --quiet --python .venv/bin/python --no-deps --editable .
for tool in sam ministack; do
  say "installing $tool, in an environment of its own"
  home=.venv/tools/$tool
  runs "$home/bin/python" || $uv venv --quiet --clear --python .venv/bin/python "$home"
  $uv pip install --quiet --python "$home/bin/python" -r "infra/local/requirements-$tool.txt"
done
printf '%s' "$checksum" >"$stamp"
say "installed"
