# Runs in the machine. A client and a server with a router between them that translates addresses and drops what nothing allows:
#   lab.sh build          three network namespaces, the router's rules, vsftpd and tftpd
#   lab.sh fetch WAY [S]  one download within S seconds: passive or active FTP, or TFTP; prints the file
set -euo pipefail

in_netns() { ip netns exec "$@"; }

build() {
  for netns in client edge server; do
    [ -e "/run/netns/$netns" ] || ip netns add $netns
    ip -n $netns link set lo up
  done
  ip link add eth0 netns client type veth peer name lan netns edge
  ip link add eth0 netns server type veth peer name wan netns edge
  ip -n client addr add 10.77.1.2/24 dev eth0
  ip -n edge addr add 10.77.1.1/24 dev lan
  ip -n edge addr add 10.77.2.1/24 dev wan
  ip -n server addr add 10.77.2.2/24 dev eth0
  for end in client/eth0 edge/lan edge/wan server/eth0; do ip -n ${end%/*} link set ${end#*/} up; done
  ip -n client route add default via 10.77.1.1
  in_netns edge sysctl -qw net.ipv4.ip_forward=1
  in_netns edge nft -f - <<'RULES'
table inet filter {
  chain forward {
    type filter hook forward priority 0; policy drop;
    ct state established,related accept
    iifname "lan" tcp dport 21 accept
    iifname "lan" udp dport 69 accept
  }
}
table ip nat {
  chain prerouting { type nat hook prerouting priority -100; policy accept; }
  chain postrouting { type nat hook postrouting priority 100; policy accept; oifname "wan" masquerade; }
}
RULES
  mkdir -p /srv/files /run/empty
  chmod 755 /srv/files
  echo 'fetched through a pinhole' > /srv/files/file.txt
  printf '%s\n' listen=YES listen_ipv6=NO background=YES anonymous_enable=YES anon_root=/srv/files secure_chroot_dir=/run/empty \
    no_anon_password=YES seccomp_sandbox=NO > /run/vsftpd.conf
  in_netns server vsftpd /run/vsftpd.conf < /dev/null
  in_netns server in.tftpd --listen --address 10.77.2.2:69 --secure /srv/files < /dev/null
}

fetch() {
  local seconds=${2:-300}
  case $1 in
    passive) set -- --disable-epsv ftp://10.77.2.2/file.txt ;;
    active) set -- --disable-eprt --ftp-port - ftp://10.77.2.2/file.txt ;;
    tftp) set -- tftp://10.77.2.2/file.txt ;;
  esac
  in_netns client curl --silent --show-error --max-time "$seconds" "$@"
}

"$@"
