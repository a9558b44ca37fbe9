#!/bin/sh
# Lets a user of this host make diagnostic reports through Handrail. As root:
#   sh install.sh USER           the user that Handrail runs as, or logs in as
#   sh install.sh --uninstall
# It may be run again at any time, for another version or another user.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
program=/usr/local/sbin/handrail-sos
rule=/etc/sudoers.d/handrail-sos
spool=/var/spool/handrail-sos
clearing=/etc/tmpfiles.d/handrail-sos.conf

fail() {
    echo "install.sh: $1" >&2
    exit 1
}

[ "$(id -u)" = 0 ] || fail 'run this as root'
[ $# = 1 ] || fail 'give the one user that may make reports, or --uninstall'

if [ "$1" = --uninstall ]; then
    rm -f "$rule" "$program" "$clearing"
    rm -rf "$spool"
    echo 'Removed. Nobody makes diagnostic reports through Handrail any more.'
    exit 0
fi

user=$1
case $user in
    '' | -* | *[!A-Za-z0-9._-]*) fail 'this is not the name of a user' ;;
esac
id -- "$user" >/dev/null 2>&1 || fail "there is no user $user"
[ -x /usr/bin/python3 ] || fail 'it takes /usr/bin/python3: install python3'

# Root needs no rule; everybody else does.
if [ "$user" != root ]; then
    command -v visudo >/dev/null || fail 'it takes sudo: install sudo'
    install -d -m 0750 /etc/sudoers.d
    # A name with a dot is not read by sudo, so that a broken rule never counts.
    new=$(mktemp "$rule.XXXXXX")
    trap 'rm -f "$new"' EXIT
    sed "s/@USER@/$user/" "$here/sudoers" >"$new"
    chown root:root "$new"
    chmod 0440 "$new"
    visudo -c -q -f "$new" || fail 'sudo does not take the rule'
fi

install -d -o root -g root -m 0755 /usr/local/sbin
install -o root -g root -m 0755 "$here/handrail-sos" "$program.new"
mv -f "$program.new" "$program"
install -d -o root -g root -m 0711 "$spool"
if [ "$user" = root ]; then
    rm -f "$rule"
else
    mv -f "$new" "$rule"
fi
# What nobody fetches goes after a day, even if nobody asks this host for anything more.
if command -v systemd-tmpfiles >/dev/null; then
    install -d -o root -g root -m 0755 "${clearing%/*}"
    echo "d $spool 0711 root root 1d" >"$clearing"
    chmod 0644 "$clearing"
fi
echo "Installed. $user can make diagnostic reports of this host through Handrail."
if [ -e "$clearing" ] && [ -d /run/systemd/system ]; then
    echo "What nobody fetches from $spool is removed by systemd within two days."
else
    echo "There is no systemd here: what nobody fetches stays in $spool until Handrail"
    echo 'checks this host or has a report made, a day or more later, or --uninstall.'
fi
