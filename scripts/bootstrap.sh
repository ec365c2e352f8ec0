#!/bin/sh
# Installs what the build needs, where it is missing: through apt-get, as root or with sudo, saying so first.
# On other systems it names the packages and stops.
set -eu

packages=""
need() { # what proves it is there, the package that brings it
    eval "$1" > /dev/null 2>&1 || packages="$packages $2"
}
# Asks the compiler: /usr/include/linux has headers of its own with some of the names.
compiler=$(command -v g++ || command -v clang++ || true)
header() { echo "printf '#if !__has_include(<$1>)\n#error\n#endif\n' | $compiler -E -x c++ -"; }

need "command -v g++ || command -v clang++" g++
need "command -v cmake" cmake
need "$(header CLI/CLI.hpp)" libcli11-dev
need "$(header nlohmann/json.hpp)" nlohmann-json3-dev
need "$(header openssl/evp.h)" libssl-dev
need "$(header pcre2.h)" libpcre2-dev
need "$(header uninorm.h)" libunistring-dev
need "$(header gmp.h)" libgmp-dev
need "$(header seccomp.h)" libseccomp-dev
need "command -v bwrap" bubblewrap
need "test -x /usr/bin/python3" python3
need "$(header doctest/doctest.h)" doctest-dev
[ -z "$packages" ] && exit 0

if ! command -v apt-get > /dev/null 2>&1; then
    echo "r1: error: packages are missing, this system has no apt-get, install what Debian calls:$packages" >&2
    exit 1
fi
if [ "$(id -u)" = 0 ]; then root=""
elif command -v sudo > /dev/null 2>&1; then root="sudo"
else
    echo "r1: error: packages are missing, no root and no sudo here, ask for: apt-get install$packages" >&2
    exit 1
fi
echo "Installing what the build needs: apt-get install$packages"
$root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages > /dev/null 2>&1 || {
    $root apt-get update -qq
    $root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages > /dev/null
}
