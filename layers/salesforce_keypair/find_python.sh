#!/bin/sh
# Prints the path of a Python that runs, of the first version given that the machine has: `find_python.sh 3.13 3.12`.
# The name alone proves nothing: pyenv puts shims on PATH for versions that aren't active, and those exit non-zero.

for version in "$@"; do
    if "python$version" -c 'import sys; print(sys.executable)' 2>/dev/null; then
        exit 0
    fi
    for installed in $(pyenv versions --bare 2>/dev/null | grep -E "^$version\.[0-9]+$"); do
        if python=$(PYENV_VERSION=$installed pyenv which "python$version" 2>/dev/null) && "$python" --version >/dev/null 2>&1; then
            echo "$python"
            exit 0
        fi
    done
done
exit 1
