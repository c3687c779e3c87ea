# The first file that every builder reads: sets the search path, reads structured attributes where
# the derivation has them, then runs the builder "$1".
PATH=/usr/bin:/bin:/run/current-system/sw/bin
export PATH
set -eu

if [ -n "${NIX_ATTRS_SH_FILE-}" ]; then
  # Nix writes that file for bash; where /bin/sh is another shell, bash takes over.
  [ -n "${BASH_VERSION-}" ] || exec /bin/bash -e "$0" "$@"
  . "$NIX_ATTRS_SH_FILE"
  eval 'out=${outputs[out]}'
fi

. "$1"
