# A host's first process, pid 1 of its namespaces. The login node has a network, a name and mounts
# of its own, but keeps the machine's processes, /tmp and /run, so that tests see their own files.
set -e
host=$1 run=$2 own=$2/hosts/$1 sockets=$3 tmp_size=$4
hostname "$host"
ip link set lo up
mount --bind "$run/etc/hosts" /etc/hosts
mount --bind "$own/hostname" /etc/hostname
mount --bind "$run/etc/passwd" /etc/passwd   # moves root's home to $run/home
mount --bind "$run/etc/resolv.conf" /etc/resolv.conf
mkdir -p /run/sshd
if [ "$host" = login ]; then
    /usr/sbin/sshd -f "$own/sshd_config" -E "$own/sshd.log"
    exec sleep infinity
fi
[ "$tmp_size" = 0 ] || mount -t tmpfs -o mode=1777,size="$tmp_size" tmp "$own/tmp"
# the checkout and the Python under test stay visible if they lie under /tmp
while read -r top; do
    mkdir -p "$own$top"
    mount --bind "$top" "$own$top"
done <"$run/etc/visible"
mount --rbind "$own/tmp" /tmp
mount -t tmpfs -o mode=755,size=64m run /run
mount -t tmpfs -o mode=1777,size=256m shm /dev/shm
mkdir -p /run/sshd "$sockets"
# This shell reaps orphans, and no signal from inside can end it: a test may kill any daemon and
# the host lives on.
[ -f "$own/nosshd" ] || /usr/sbin/sshd -f "$own/sshd_config" -E "$own/sshd.log"
if [ -f "$own/tarpit" ]; then
    socat TCP-LISTEN:22,fork,reuseaddr EXEC:'sleep 3600' &
fi
if [ -f "$own/munge" ]; then
    # of its own, as on a real host: one shared by all sees what Slurm forwards more than once
    # and calls it replayed
    /usr/sbin/munged --force --key-file="$run/etc/munge.key" --socket="$sockets/munge.socket" \
        --pid-file="$sockets/munged.pid" --log-file="$own/munged.log" \
        --seed-file="$sockets/munged.seed" --num-threads=1
fi
if [ -f "$own/slurm" ]; then
    SLURM_CONF="$run/etc/slurm.conf" /usr/sbin/slurmd || true
fi
set +e
mkfifo "$sockets/wait"
exec 3<>"$sockets/wait"
while :; do read -r -u 3 _; done
