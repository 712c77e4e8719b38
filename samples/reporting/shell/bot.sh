#!/bin/sh
# Weighs parcels and reports in every way that needs no SDK. Run by hand it only prints.
set -eu

count=${BOTYARD_PARAM_COUNT:-3}
here=${BOTYARD_API_URL:-}

# One line for each call: curl, the token, the address, what to say.
api() {
    path=$1
    shift
    [ -z "$here" ] || curl --silent --show-error --fail -H "Authorization: Bearer $BOTYARD_API_TOKEN" "$here/$path" "$@"
}

# --- lines ---
echo "::notice title=Parcels::$count parcels wait"
echo "::add-mask::scale-serial-99812"
echo "the scale is scale-serial-99812"
echo "::progress percent=5::scale is warm"
echo "::stop-commands::parcels-end"
echo "::error::this is only text"
echo "::parcels-end::"

# --- calls ---
echo "::group::calls"
api parameters
if [ -n "$here" ] && pin=$(api secrets/pin 2>/dev/null); then
    echo "the pin is $pin"
fi
number=1
while [ "$number" -le "$count" ]; do
    if api cancelled | grep -q '"cancelled": true'; then
        echo "::warning::stopped before parcel $number"
        exit 1
    fi
    weight=$((number * 250))
    api log -d log=parcels -d number="$number" -d grams="$weight"
    api progress -d percent=$((number * 100 / count)) --data-urlencode text="parcel $number of $count"
    number=$((number + 1))
done
api outputs -d heaviest="$weight"
printf 'number,grams\n%s,%s\n' "$count" "$weight" > scale.csv
api artifacts -F file=@scale.csv
api result -d status=partial -d message=weighed -d total="$count" -d processed="$count"
echo "::endgroup::"
echo "::warning title=Scale,file=bot.sh::due for calibration"

# --- files ---
echo "count=$count" >> "${BOTYARD_OUTPUT:-/dev/null}"
{
    echo "label<<END_OF_LABEL"
    echo "to: Ada"
    echo "from: Botyard"
    echo "END_OF_LABEL"
} >> "${BOTYARD_OUTPUT:-/dev/null}"
echo "## $count parcels" >> "${BOTYARD_SUMMARY:-/dev/null}"
echo "Heaviest: **$weight g**" >> "${BOTYARD_SUMMARY:-/dev/null}"
if [ -n "${BOTYARD_ARTIFACTS:-}" ]; then
    cp scale.csv "$BOTYARD_ARTIFACTS/weights.csv"
fi
cat > "${BOTYARD_RESULT:-/dev/null}" <<END
{"status": "succeeded", "message": "$count parcels weighed", "totals": {"total": $count, "processed": $count, "failed": 0}}
END
