//! A shell job on busybox, as a Kubernetes Job or CronJob runs one: it gathers,
//! packs, checks and thins out, and ends.

use super::{File, Life, Software};

const JOB: &str = r#"#!/bin/sh
set -eu
umask 027
now=$(date +%Y%m%d%H%M%S)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "begin on $(hostname) as $(id -un)"

mkdir -p /data/in /data/out
for n in $(seq 1 20); do
    printf '%s,%s,%s\n' "$n" "$now" "$((n * n))"
done > /data/in/orders.csv

cut -d , -f 3 /data/in/orders.csv | sort -n | uniq | head -n 5 > "$work/least"
awk -F , '{ sum += $3 } END { print sum }' /data/in/orders.csv > "$work/sum"
grep -c , /data/in/orders.csv > "$work/count"
sed -e 's/,/;/g' /data/in/orders.csv | tr ';' '\t' | tail -n 3 > "$work/last"

tar -cf - -C "$work" . | gzip -9 > "/data/out/report-$now.tar.gz"
(cd /data/out && sha256sum "report-$now.tar.gz" > "report-$now.sha256" && sha256sum -c "report-$now.sha256")
gunzip -c "/data/out/report-$now.tar.gz" | tar -tf - | wc -l

find /data/out -type f -mtime +30 -print | xargs -r rm -f
ls -l /data/out
df -h /data | tail -n 1
sleep 1
echo done
"#;

pub(super) const SOFTWARE: Software = Software {
    name: "busybox-job",
    packages: &[],
    clients: &[],
    files: &[File {
        path: "/app/job.sh",
        text: JOB,
    }],
    prepare: "",
    start: &["/app/job.sh"],
    env: &[],
    user: 0,
    volumes: &["/data"],
    life: Life::Job,
    window: 12,
};
