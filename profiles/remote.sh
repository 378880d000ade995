#!/bin/bash
# A run on another machine or in a bucket, copied by rclone.
#
#   profiles/remote.sh push REMOTE RUN COMMAND...   runs COMMAND; meanwhile and at its end copies outputs/RUN there
#   profiles/remote.sh pull REMOTE RUN              copies REMOTE/RUN to outputs/RUN and checks its SHA256SUMS
#
# REMOTE is rclone's, such as s3:BUCKET/FOLDER or /mnt/results; for s3: the usual variables of AWS hold the credentials.
# A remote that fails never stops COMMAND, whose exit code is the script's: what is missing there is said at the end.
set -u -o pipefail
cd "$(dirname "$0")/.." || exit 2
what=$1 remote=$2 run=$3 outputs=${TRAJNB_OUTPUTS:-outputs}
shift 3
here=${outputs/#'~/'/"$HOME/"}/$run there=${remote%/}/$run
export RCLONE_CONFIG_S3_TYPE=s3 RCLONE_CONFIG_S3_ENV_AUTH=true
export RCLONE_CONFIG_S3_PROVIDER=${RCLONE_CONFIG_S3_PROVIDER:-AWS}
export RCLONE_TIMEOUT=${RCLONE_TIMEOUT:-60s} RCLONE_CONTIMEOUT=${RCLONE_CONTIMEOUT:-10s}
export RCLONE_RETRIES=${RCLONE_RETRIES:-3} RCLONE_LOW_LEVEL_RETRIES=${RCLONE_LOW_LEVEL_RETRIES:-3}

# rclone without a person's configuration file; prints its last complaint.
rclone() {
  .venv/bin/rclone --config /dev/null --log-level ERROR \
    --exclude ".*" --exclude "*.tmp" --exclude "*.running.ipynb" "$@" 2>&1 | tail -n 1
}

# Copy what differs by checksum, then compare; fails, and prints a complaint, where not all is equal.
equal() {
  rclone copy --checksum "$1" "$2" && rclone check --one-way "$1" "$2"
}

case $what in
  push)
    (trap - INT && exec "$@") & # without the trap, what a script starts in the background ignores SIGINT
    command=$!
    # A terminal's Ctrl-C stops the run, not the copying, which ignores it; rclone alone heeds it, outside of a session
    # of its own, for which the system has to have setsid.
    trap '' INT TERM
    $(command -v setsid) profiles/remote.sh copies "$remote" "$run" $command &
    copies=$!
    trap 'kill -INT $command' INT
    trap 'kill -TERM $command' TERM
    while sleep 0.5; kill -0 $command 2> /dev/null; do :; done
    wait $command
    code=$?
    while kill -0 $copies 2> /dev/null; do sleep 0.5; done
    wait $copies || echo "$there: NOT complete: the copying was stopped" >&2
    exit $code
    ;;
  copies) # every minute as long as a process lives, and once more
    last=0
    while sleep 0.5; kill -0 "$1" 2> /dev/null; do
      [ $((SECONDS - last)) -lt 60 ] || [ ! -d "$here" ] && continue
      rclone copy --checksum "$here" "$there" > /dev/null
      last=$SECONDS
    done
    [ -d "$here" ] || exit 0
    said="equal to the run here"
    problem=$(equal "$here" "$there") || said="NOT complete: ${problem:-rclone was ended}"
    echo "$there: $said" >&2
    ;;
  pull)
    problem=$(equal "$there" "$here") || { echo "$there: not copied: ${problem:-rclone was ended}" >&2; exit 1; }
    if [ -f "$here/SHA256SUMS" ]; then
      cd "$here" && sha256sum --quiet -c SHA256SUMS
    else
      echo "$there: copied; the run has not ended yet, so there is no SHA256SUMS to check"
    fi
    ;;
esac
