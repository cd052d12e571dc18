#!/bin/sh
# The guest's process 1, or what leaves its place to systemd. EXECWARDEN_BOOT comes
# from the kernel's command line.
case $EXECWARDEN_BOOT in
kubernetes) exec /lib/systemd/systemd --unit=tests.service ;;
esac
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
ln -s /proc/self/fd /dev/fd
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t securityfs securityfs /sys/kernel/security
mount -t bpf bpf /sys/fs/bpf
case $EXECWARDEN_BOOT in
v1)
    mount -t tmpfs tmpfs /sys/fs/cgroup
    for controller in cpu memory pids; do
        mkdir "/sys/fs/cgroup/$controller"
        mount -t cgroup -o "$controller" cgroup "/sys/fs/cgroup/$controller"
    done
    ;;
*) mount -t cgroup2 cgroup2 /sys/fs/cgroup ;;
esac
@BUSYBOX@ ip link set lo up
@BUSYBOX@ hostname -F /etc/hostname

/tests
@BUSYBOX@ reboot -f
