#!/bin/busybox sh
# The kernel's first program: brings the modules that the root disk needs, and
# the ones that tests need, and goes on from the disk.
busybox mount -t devtmpfs devtmpfs /dev
while read -r module; do
    busybox insmod "/modules/$module" || echo "cannot load $module"
done </modules/order
until [ -b /dev/vda ]; do busybox sleep 0.1; done
busybox mount -t ext4 /dev/vda /root || exec busybox reboot -f
exec busybox switch_root /root /init
