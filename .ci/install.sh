#!/bin/sh
# Installs this bundle; no network is asked. Run it again with a newer bundle to upgrade.
#   sh install.sh [--prefix DIR] [--python PYTHON] [--link DIR]
# --prefix  where versions lie side by side (default /opt/cellwright)
# --python  the interpreter to build on (default: the bundle's version from the PATH)
# --link    where the command cell is put as a link (default /usr/local/bin for root, else nowhere)
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
prefix=/opt/cellwright
python=python@PYTHON@
link=
[ "$(id -u)" != 0 ] || link=/usr/local/bin
while [ $# -gt 0 ]; do
    case "$1" in
        --prefix | --python | --link)
            [ $# -gt 1 ] || { echo "install.sh: $1 needs a value" >&2; exit 2; }
            case "$1" in
                --prefix) prefix=$2 ;;
                --python) python=$2 ;;
                --link) link=$2 ;;
            esac
            shift 2
            ;;
        -h | --help) sed -n '2,6s/^# //p' "$0"; exit 0 ;;
        *) echo "install.sh: unknown argument $1 (--help)" >&2; exit 2 ;;
    esac
done
(cd "$here" && sha256sum --check --quiet --strict SHA256SUMS) ||
    { echo "install.sh: the bundle is damaged: copy it again" >&2; exit 2; }
if [ -e "$prefix/current" ]; then
    exec "$prefix/current/bin/cell" upgrade "$here"
fi
command -v "$python" >/dev/null ||
    { echo "install.sh: there is no $python here; this bundle is for Python @PYTHON@ (--python names one)" >&2; exit 2; }
# Our own wheel is the program that installs, straight from the file; nothing of it is inherited by what it starts.
"$python" -c 'import runpy, sys
sys.path.insert(0, sys.argv.pop(1))
runpy.run_module("cell.install.first", run_name="__main__", alter_sys=True)' \
    "$here/wheels/@WHEEL@" "$here" --prefix "$prefix"
if [ -n "$link" ]; then
    mkdir -p "$link"
    ln -sfn "$prefix/current/bin/cell" "$link/cell"
    echo "the command: $link/cell"
fi
