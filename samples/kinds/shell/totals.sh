#!/bin/sh
# The month comes as an argument (botyard.toml), and in BOTYARD_PARAM_MONTH.
set -eu
month=${1:-this month}
echo "totals of $month: 3 invoices, 60.00"
printf 'month,invoices,total\n%s,3,60.00\n' "$month" > "$BOTYARD_ARTIFACTS/totals.csv"
