# What an account can reach in a guest: run by bash as that account; every line is something that it got.
set +e
PATH=/usr/sbin:/usr/bin:/sbin:/bin
exec 2>/dev/null
# All that it may write, and what of root's it may read although not everybody may.
find / \( -path /proc -o -path /sys \) -prune -o ! -type l \
    \( -writable -printf 'writes %p\n' -o -true \) \
    \( ! -user "$(id -un)" ! -perm -o=r -readable -printf 'reads %p\n' -o -true \)
for folder in /srv/nordgate /srv/nordgate/log /srv/nordgate/tls /run /run/nordgate /etc/nginx /var/lib/nginx; do
    : >"$folder/intruder" && echo "makes files in $folder"
done
for log in /srv/nordgate/log/{access.json,error.log}; do
    mv "$log" "$log.old" && echo "moves $log"
    rm -f "$log" && echo "deletes $log"
    ln -sf /etc/nordgate/kernel "$log" && echo "puts a link in place of $log"
    ln /etc/nordgate/kernel "$log.link" && echo "puts a second name beside $log"
    mkfifo "$log.pipe" && echo "puts a pipe beside $log"
done
master=$(systemctl show --property=MainPID --value nginx.service)
for signal in USR1 HUP QUIT; do kill -$signal "$master" && echo "signals nginx's master"; done
{ : >"/proc/$master/oom_score_adj"; } && echo "writes to nginx's master"
sudo -n true && echo "has sudo"
systemctl --no-ask-password start nordgate-logrotate.service && echo "starts units"
systemd-run --no-ask-password --wait true && echo "runs units of its own"
nginx -s reopen && echo "signals nginx by nginx"
/usr/local/sbin/nordgate-boot && echo "boots"
exit 0
