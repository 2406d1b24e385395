# The first process of the namespaces: makes a machine with graphics cards, then buries the dead.
# $1: a folder of this run; $2: see below. When this process ends, the kernel ends all others in here.
set -e
here=$1
# Control groups below groups of this run, which are taken away afterwards with all that is in them.
groups() {
	if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
		echo /sys/fs/cgroup
	else
		find /sys/fs/cgroup -mindepth 1 -maxdepth 1 -type d
	fi
}
if [ -z "$CONFINED" ]; then
	for group in $(groups); do
		ours=$group/$(basename "$here")
		mkdir "$ours"
		for file in cpuset.cpus cpuset.mems; do
			if [ -e "$group/$file" ]; then cat "$group/$file" >"$ours/$file"; fi
		done
		echo 0 >"$ours/cgroup.procs"
	done
	CONFINED=yes exec unshare -C bash "$0" "$@"
fi

mount --make-rprivate /
mount -t proc proc /proc
ip link set lo up
echo 1 >/proc/sys/net/ipv4/ip_forward

# A /sys of this network, with the control groups of the host.
mkdir -p "$here"/{groups,sys,pci,dev,lxd,drivers/nvidia,drivers/vfio-pci}
mount -t tmpfs -o mode=755 groups "$here/groups"
for group in $(groups); do
	place=$here/groups/${group#/sys/fs/cgroup}
	mkdir -p "$place"
	mount --bind "$group/$(basename "$here")" "$place"
done
mount -t sysfs sysfs /sys
mount --rbind "$here/groups" /sys/fs/cgroup
umount -R -l "$here/groups"
# One more, untouched: otherwise the kernel lets no unprivileged container mount its own.
mount -t sysfs sysfs "$here/sys"

# The cards: LXD reads the class, the ids and the driver's name, no more.
mount -t tmpfs -o mode=755 pci "$here/pci"
for device in /sys/bus/pci/devices/*; do
	[ -e "$device" ] && ln -s "$(readlink -f "$device")" "$here/pci/"
done
card() {
	mkdir "$here/pci/$1"
	echo 0x030200 >"$here/pci/$1/class"
	echo 0x10de >"$here/pci/$1/vendor"
	echo "$2" >"$here/pci/$1/device"
	echo 0 >"$here/pci/$1/numa_node"
	ln -s "$here/drivers/nvidia" "$here/pci/$1/driver"
	printf 'DRIVER=nvidia\nPCI_SLOT_NAME=%s\n' "$1" >"$here/pci/$1/uevent"
}
# $2: the cards, each as ADDRESS=DEVICE, in the order of their /dev/nvidia*.
for each in $2; do card "${each%=*}" "${each#*=}"; done
mount --bind "$here/pci" /sys/bus/pci/devices

# A /dev of its own: the one of the host is everybody's.
mount -t tmpfs -o mode=755 dev "$here/dev"
node() { mknod -m 666 "$here/dev/$1" c "$2" "$3"; }
mkdir "$here"/dev/{net,pts,shm,mqueue}
node null 1 3; node zero 1 5; node full 1 7; node random 1 8; node urandom 1 9
node tty 5 0; node console 5 1; node fuse 10 229; node net/tun 10 200
node nvidiactl 195 255
number=0
for each in $2; do
	node "nvidia$number" 195 "$number"
	number=$((number + 1))
done
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$here/dev/pts"
mount -t tmpfs shm "$here/dev/shm"
ln -s pts/ptmx "$here/dev/ptmx"
ln -s /proc/self/fd "$here/dev/fd"
for number in 0:stdin 1:stdout 2:stderr; do ln -s "fd/${number%:*}" "$here/dev/${number#*:}"; done
mount --move "$here/dev" /dev

# In memory: the database of LXD waits for the disk at each change.
mount -t tmpfs -o mode=711 lxd "$here/lxd"

trap 'exit 0' TERM
touch "$here/ready"
while :; do
	sleep 1000 &
	wait $!
done
