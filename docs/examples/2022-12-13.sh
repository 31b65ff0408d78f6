#!/usr/bin/env bash
# The night of 13 December 2022, entered after the fact: what Hachyderm's own report tells, as a record.
#
#   docs/examples/2022-12-13.sh FOLDER     makes FOLDER/store.db and FOLDER/2022-12-13.md, which is 2022-12-13.md here
#
# The facts are the team's: community.hachyderm.io/blog/2022/12/13/global-outage-504-timeouts. One account writes for
# three people; howdah.yaml says that it may, and $HOWDAH_AS says for whom.
set -euo pipefail
folder=$1
mkdir -p "$folder"
account=${SUDO_USER:-$(id -un)}
cat >"$folder/howdah.yaml" <<END
people:
  nova: {unix: ['$account']}
  dma: {unix: ['$account']}
  malte_j: {unix: ['$account']}
END
export HOWDAH_CONFIG=$folder/howdah.yaml HOWDAH_STORE=$folder/store.db HOWDAH_AS=nova
howdah() { command "${HOWDAH:-howdah}" --zone UTC "$@"; }
at() { at=2022-12-13T$1Z; }

# Declared is when the status page first said so.
at 18:58; HOWDAH_AS=dma howdah declare --retrospective --at "$at" --sev sev1 "Global outage: 504 timeouts"

at 18:53; howdah note --at "$at" --milestone started "first report of slow responses, in Discord"
at 18:55; HOWDAH_AS=dma howdah note --at "$at" --milestone detected "confirmed: 5XX responses in all regions"
at 18:56; HOWDAH_AS=dma howdah note --at "$at" "looked at Mastodon's web services: no immediate concern"
at 18:56; howdah note --at "$at" "looked at the CDN's proxies: no immediate concern"
at 18:57; howdah note --at "$at" --milestone acknowledged "504 timeouts seen for the first time"
at 18:58; HOWDAH_AS=dma howdah update --at "$at" "status.hachyderm.io acknowledges the outage"
at 18:59; howdah note --at "$at" - <<'END'
Redis cannot save to disk and refuses writes, on fritz at 18:59:01:
Redis::CommandError (MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk; stop-writes-on-bgsave-error)
END
at 19:01; howdah note --at "$at" --milestone alerted "UptimeRobot's first alert: hachyderm streaming (/api/v1/streaming/health) is down, HTTP 502"
at 19:02; howdah status identified --at "$at"
at 19:02; howdah note --at "$at" "the root filesystem of the primary database server is full"
at 19:04; howdah note --at "$at" "PostgreSQL's archive, /var/lib/postgres/archive, holds more than 400 GB"
at 19:05; HOWDAH_AS=malte_j howdah note --at "$at" "asks to destroy the archive"
at 19:06; HOWDAH_AS=malte_j howdah mitigate --at "$at" "the archive is destroyed"
at 19:06; HOWDAH_AS=malte_j howdah note --at "$at" --milestone recovered "187 GB are free again"
at 19:06; HOWDAH_AS=dma howdah update --at "$at" "status.hachyderm.io names the cause"
at 19:07; howdah note --at "$at" "begins the postmortem's notes"
at 19:16; howdah update --at "$at" "official announcement on Hachyderm"

howdah note --about summary "The disk of the primary database server filled with PostgreSQL's WAL archive. Redis could not save and refused writes, and what stands on Redis answered 5XX: a cascading failure of 7 minutes for everybody, everywhere. No data was lost."
at 18:59; from=$at; at 19:06
howdah note --about impact --at "$from" --until "$at" "total outage, believed: no answers, 5XX and 504 in all regions of the world"
howdah note --about impact "data lost: none"
howdah note --about cause "a full root filesystem: PostgreSQL's archive grew without bound on the disk that Redis saves to"
howdah note --about cause "stop-writes-on-bgsave-error: Redis that cannot save refuses writes, and the edge answers 5XX"
howdah note --about well "there was a place to organise, and people stood by"
howdah note --about well "answered and recovered in less than 10 minutes, written down and moved on in less than 60"
howdah note --about badly "who may update status.hachyderm.io? It is still unclear"
howdah note --about badly "where does Redis live, and which systems stand on it?"

HOWDAH_AS=malte_j howdah task add --owner malte_j "a cron job that cuts the archive behind 5 days, with pg_archivecleanup"
HOWDAH_AS=malte_j howdah task done 1
HOWDAH_AS=dma howdah task add --owner dma "alert at 90 % of the filesystems of database nodes"
HOWDAH_AS=dma howdah task done 2
HOWDAH_AS=dma howdah task add --owner dma "a template for postmortems"
HOWDAH_AS=dma howdah task done 3
howdah task add --owner nova "write the postmortem"
howdah task done 4
howdah task add "harden credentials and accounts: everybody who needs a system can reach it"
howdah task add "an architecture map that is observed from the systems, not drawn"
howdah task add "UptimeRobot drops the whole status when an announcement is resolved: improve it"
at 19:16; howdah resolve --at "$at" "announced"

howdah postmortem -o "$folder/2022-12-13.md"
