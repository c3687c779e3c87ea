# Runs `buildCommand`, as nixpkgs' generic builder does for trivial derivations.
if [ -n "${buildCommandPath-}" ]; then
  . "$buildCommandPath"
else
  eval "$buildCommand"
fi
