#!/bin/sh
# Two groups, as an administrator starts them at boot.
UCARP=/usr/sbin/ucarp
IF=eth0
SRC=192.0.2.11
COMMON="-B -z --interface=$IF -s $SRC"
SECRET='two words'

modprobe dummy
$UCARP $COMMON -v 1 -p "$SECRET" -a 192.0.2.100 \
  -u /etc/ucarp/up.sh -d /etc/ucarp/down.sh \
  --advskew 0x10 --preempt -x "eth0 label"   # the preferred one
if [ -e /etc/ucarp/second ]; then
  exec ucarp -i ${IF} -s${SRC} -v2 -o /etc/ucarp/pass -a 192.0.2.101 -k 300 -b 1 -r 5 -nPM --ignoreif --fac=local0
fi
ucarp -i eth0 -s "$1" -v "$VID" -p third -a 192.0.2.102
