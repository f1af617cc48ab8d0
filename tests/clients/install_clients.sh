#!/bin/sh
# usage: install_clients.sh FOLDER CLI_VERSION SDK_VERSION NODE_VERSION
# Installs the Salesforce CLI and AWS's SDK for JavaScript from npm into FOLDER, with a Node of its own where the
# machine's is too old for them. Prints three lines: the path of node, of the CLI's program, and of the folder with
# the SDK in its node_modules; where one of them can't be had, the reason, and fails.
set -u
folder=$1 cli_version=$2 sdk_version=$3 node_version=$4
log=$folder/npm.log

give_up() {
    echo "$1"
    exit 1
}

major() {
    "$1" --version 2> /dev/null | sed -n 's/^v\([0-9]*\)\..*/\1/p'
}

# Marked as ready when it is whole: an installation that was cut off must not be taken for one.
install() {
    [ -e "$1/.ready" ] && return
    echo "Fetching $2 into $1" >&2
    mkdir -p "$1" && npm install --prefix "$1" --no-audit --no-fund --loglevel=error "$2" > "$log" 2>&1 && : > "$1/.ready"
}

command -v npm > /dev/null || give_up "npm isn't installed"
mkdir -p "$folder"

wanted=${node_version%%.*}
node=$(command -v node)
found=$(major "$node")
if [ "${found:-0}" -lt "$wanted" ]; then
    install "$folder/node-$node_version" "node@$node_version" ||
        give_up "Node is ${found:-missing}, the CLI needs $wanted, and npm can't fetch it (see $log)"
    node=$folder/node-$node_version/node_modules/node/bin/node
    [ "$(major "$node")" = "$wanted" ] || give_up "the Node $wanted from npm doesn't run here"
fi

cli=$folder/salesforce-cli-$cli_version
install "$cli" "@salesforce/cli@$cli_version" || give_up "npm can't fetch the Salesforce CLI (see $log)"
sdk=$folder/aws-sdk-$sdk_version
install "$sdk" "@aws-sdk/client-lambda@$sdk_version" || give_up "npm can't fetch AWS's SDK (see $log)"
echo "$node"
echo "$cli/node_modules/@salesforce/cli/bin/run.js"
echo "$sdk"
