#!/bin/sh
# A bot of BotCity's COMMAND technology: any program, told by its arguments where its task is.
set -eu
server=$1 task=$2 token=$3 organization=$4

echo "totals of ${BOTYARD_PARAM_MONTH:-this month}: 3 invoices, 60.00"
printf 'month,invoices,total\n%s,3,60.00\n' "${BOTYARD_PARAM_MONTH:-this month}" > "$BOTYARD_ARTIFACTS/totals.csv"

curl --silent --show-error --fail --output /dev/null --noproxy '*' \
    -H "token: $token" -H "organization: $organization" -H "Content-Type: application/json" \
    -d '{"finishStatus": "SUCCESS", "state": "FINISHED", "finishMessage": "3 invoices"}' \
    "$server/api/v2/task/$task"
