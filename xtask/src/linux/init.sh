#!/bin/busybox sh
# The first process of the guest: mounts, loads modules where asked, then runs a command or a shell
# and powers off. It runs from an initramfs that holds one static busybox.
export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/ TERM="${TERM:-vt102}"
B=/bin/busybox
$B mount -t proc proc /proc
$B mount -t sysfs sys /sys
$B mount -t devtmpfs dev /dev
$B --install -s /bin
mkdir -p /dev/pts && mount -t devpts pts /dev/pts
mount -t tmpfs run /run

# Powers off through the machine's finisher device, which carries an exit code to the host.
finish() {
    sync
    if [ "$1" = 0 ]; then devmem 0x100000 32 0x5555; fi
    devmem 0x100000 32 $((($1 & 255) << 16 | 0x3333))
    poweroff -f
}

# What the command line says: root=DEVICE, rootfstype=TYPE, rw, vellum.virtio.
root= fstype=ext4 mode=ro virtio=
for word in $(cat /proc/cmdline); do
    case $word in
        root=/dev/*) root=${word#root=} virtio=1 ;;
        rootfstype=*) fstype=${word#rootfstype=} ;;
        rw) mode=rw ;;
        vellum.virtio) virtio=1 ;;
    esac
done

if [ "$virtio" ]; then
    while read -r name; do
        insmod "/vellum/modules/$name.ko" || echo "init: module $name was refused"
    done < /vellum/modules/order
fi

# A root on a disk takes the initramfs' place, except for the command to run.
if [ "$root" ]; then
    tries=0
    while [ ! -b "$root" ] && [ $tries -lt 50 ]; do tries=$((tries + 1)); usleep 20000; done
    if ! mount -t "$fstype" -o "$mode" "$root" /disk; then
        echo "init: $root can't be mounted as $fstype"
        finish 125
    fi
    for name in proc sys dev; do
        mkdir -p /disk/$name 2>/dev/null
        mount --bind /$name /disk/$name
    done
    [ -x /disk/sbin/init ] && [ ! -e /vellum/exec ] && exec switch_root /disk /sbin/init
    inside="chroot /disk"
else
    inside=
fi

# A root without a shell gets busybox; one that can't be written to is looked at from outside.
if [ "$root" ] && [ ! -x /disk/bin/sh ]; then
    if mkdir -p /disk/bin && cp /bin/busybox /disk/bin/busybox; then
        chroot /disk /bin/busybox --install -s /bin
    else
        echo "init: $root has no shell; it is mounted at /disk"
        inside=
    fi
fi

if [ -e /vellum/exec ]; then
    if [ "$inside" ]; then
        $inside /bin/sh -c "$(cat /vellum/exec)"
    else
        /bin/sh /vellum/exec
    fi
    code=$?
else
    echo "A shell on $(uname -sr); leaving it powers off."
    $inside setsid cttyhack /bin/sh -l
    code=$?
fi
if [ "$root" ]; then
    umount /disk/proc /disk/sys /disk/dev
    umount /disk || mount -o remount,ro /disk
fi
finish $code
