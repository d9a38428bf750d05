#!/bin/sh
# Sets up an empty data directory as MYSQL_DATABASE, MYSQL_USER, MYSQL_PASSWORD and MYSQL_ROOT_PASSWORD say, or the
# files that these variables name with _FILE behind; then runs the server, never as root.
set -eu

value() {  # of a variable or of its file, as the inside of an SQL string
    eval "value=\${$1-} file=\${$1_FILE-}"
    if [ -n "$file" ]; then value=$(cat "$file"); fi
    printf %s "$value" | sed "s/[\\\\']/\\\\&/g"
}

say() { printf '%s\n' "$1"; }

set_up() {
    root=$(value MYSQL_ROOT_PASSWORD) database=$(value MYSQL_DATABASE)
    user=$(value MYSQL_USER) password=$(value MYSQL_PASSWORD)
    if [ -z "$root" ]; then
        echo "MYSQL_ROOT_PASSWORD or MYSQL_ROOT_PASSWORD_FILE must say the password of root" >&2
        exit 1
    fi
    statements=$(mktemp)
    {
        say "ALTER USER root@localhost IDENTIFIED BY '$root';"
        say "CREATE USER root@'%' IDENTIFIED BY '$root';"
        say "GRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;"
        [ -z "$database" ] || say "CREATE DATABASE \`$database\`;"
        [ -z "$user" ] || say "CREATE USER '$user'@'%' IDENTIFIED BY '$password';"
        [ -z "$user" ] || [ -z "$database" ] || say "GRANT ALL ON \`$database\`.* TO '$user'@'%';"
    } > "$statements"
    mysqld --initialize-insecure --init-file="$statements"
    rm "$statements"
}

case "${1-}" in
    "" | -*) set -- mysqld "$@" ;;
esac
if [ "$1" = mysqld ] && [ "$(id -u)" = 0 ]; then
    chown -R mysql: /var/lib/mysql
    exec setpriv --reuid=mysql --regid=mysql --clear-groups "$0" "$@"
fi
if [ "$1" = mysqld ] && [ ! -d /var/lib/mysql/mysql ]; then
    set_up
fi
exec "$@"
