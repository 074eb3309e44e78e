#!/usr/bin/env bash
# A SLURM of two nodes on this machine, for the tests: as root, on Debian, loopback only, two stand-ins for GPUs each.
#   slurm.sh up [install too]    slurm.sh down
# Its files lie in $SLURM_TEST_DIR. No systemd, no cgroups, no accounting: jobs are looked up with squeue.
set -euo pipefail
dir=${SLURM_TEST_DIR:-/tmp/slurm-test}
conf=/etc/slurm/slurm.conf # must be there: the executor drops SLURM_CONF before its inner srun
host=$(hostname -s)
PATH=/usr/sbin:/sbin:$PATH

stop() { echo "slurm.sh: $*" >&2; exit 1; }
alive() { [ -s "$1" ] && kill -0 "$(cat "$1")" 2>/dev/null; }
wait_for() { # SECONDS COMMAND...
    local tenths=$(($1 * 10)); shift
    for _ in $(seq "$tenths"); do "$@" >/dev/null 2>&1 && return; sleep 0.1; done
    return 1
}

install_packages() {
    local missing=() policy=/usr/sbin/policy-rc.d
    for package in slurmctld slurmd slurm-client munge; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} = 0 ] && return
    # the packages must not start services of their own
    [ -e $policy ] || { printf '#!/bin/sh\nexit 101\n' >$policy; chmod +x $policy; made=1; }
    apt-get -o DPkg::Lock::Timeout=300 update -qq
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends \
        "${missing[@]}" >"$dir/apt.log" 2>&1 || { tail -n 20 "$dir/apt.log"; stop "apt-get could not install ${missing[*]}"; }
    [ -z "${made:-}" ] || rm $policy
}

configure() {
    local own="# written by tests/support/cluster/slurm.sh"
    [ ! -e $conf ] || grep -q "^$own" $conf || stop "$conf is there: this machine belongs to a real cluster"
    mkdir -p "$dir"/{state,spool-one,spool-two,log,run,dev} /etc/slurm
    # SLURM sets CUDA_VISIBLE_DEVICES for character devices only: two copies of /dev/null
    for i in 0 1; do [ -e "$dir/dev/gpu$i" ] || mknod "$dir/dev/gpu$i" c 1 3; done
    cat >$conf <<CONF
$own
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=16817
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CryptoType=crypto/munge
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool-%n
SlurmctldPidFile=$dir/run/slurmctld.pid
SlurmdPidFile=$dir/run/slurmd-%n.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0
MinJobAge=3600
KillWait=5
DefMemPerCPU=500
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
# more cores than there are; a job that takes more memory than it asked for is ended, as cgroups would
SlurmdParameters=config_overrides
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=2
JobAcctGatherParams=OverMemoryKill,NoShared
AccountingStorageType=accounting_storage/none
GresTypes=gpu
NodeName=one NodeHostname=$host NodeAddr=127.0.0.1 Port=16818 CPUs=8 RealMemory=12000 Gres=gpu:fake:2 State=UNKNOWN
NodeName=two NodeHostname=$host NodeAddr=127.0.0.1 Port=16819 CPUs=8 RealMemory=12000 Gres=gpu:fake:2 State=UNKNOWN
PartitionName=cpu Nodes=one,two Default=YES MaxTime=1-00:00:00 State=UP
PartitionName=gpu Nodes=one,two MaxTime=1-00:00:00 State=UP
CONF
    printf 'AutoDetect=off\nNodeName=one,two Name=gpu Type=fake File=%s/dev/gpu[0-1]\n' "$dir" >/etc/slurm/gres.conf
}

start_munge() {
    munge -n >/dev/null 2>&1 && return
    [ -s /etc/munge/munge.key ] || (umask 077; head -c 1024 /dev/urandom >/etc/munge/munge.key)
    chown munge: /etc/munge/munge.key
    install -d -o munge -g munge -m 0755 /run/munge
    install -d -o munge -g munge -m 0700 /var/log/munge /var/lib/munge
    setpriv --reuid=munge --regid=munge --clear-groups munged
    wait_for 10 munge -n || stop "munged did not start"
    cp /run/munge/munged.pid "$dir/run/munged.pid"
}

nodes_ready() { [ "$(sinfo -h -N -p gpu -o %T | grep -cxE 'idle|mixed|allocated')" = 2 ]; }

up() {
    mkdir -p "$dir"
    install_packages
    configure
    start_munge
    alive "$dir/run/slurmctld.pid" || slurmctld
    wait_for 20 scontrol ping || stop "slurmctld did not start, see $dir/log/slurmctld.log"
    for node in one two; do alive "$dir/run/slurmd-$node.pid" || slurmd -N $node; done
    wait_for 10 nodes_ready || { scontrol update NodeName=one,two State=RESUME; wait_for 10 nodes_ready; } ||
        stop "the nodes are not usable, see $dir/log"
    sinfo -h -p gpu -o 'slurm.sh: up, %N %T, %c cores each, %G'
}

down() {
    scancel --user=root 2>/dev/null && sleep 1 || true
    for daemon in slurmd-one slurmd-two slurmctld munged; do
        if alive "$dir/run/$daemon.pid"; then
            kill "$(cat "$dir/run/$daemon.pid")"
            for _ in $(seq 50); do alive "$dir/run/$daemon.pid" || break; sleep 0.1; done
        fi
    done
    rm -rf "$dir" $conf /etc/slurm/gres.conf
}

[ "$(id -u)" = 0 ] || stop "needs root"
case "${1:-}" in
    up) up ;;
    down) down ;;
    *) stop "usage: $0 up|down" ;;
esac
