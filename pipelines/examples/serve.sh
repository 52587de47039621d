#!/usr/bin/env bash
# serve.sh MODEL PORT -- POST a photo, get JSON: curl --data-binary @a.jpg localhost:PORT; GET
# /health, /metrics (Prometheus). socat speaks TCP; one line of tools, begun once, computes for all:
# photos that come within $WAIT ms share a batch. Refused: bodies above $MAX bytes, photos above
# $PIXELS. TERM: what was taken in is answered, then it ends. TLS, passwords: a proxy before it.
set -euo pipefail
say() { # STATUS TYPE BODY
    printf 'HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n' "$1" "$2" $((${#3} + 1))
    printf 'Connection: close\r\n\r\n%s\n' "$3"
}
one() { # a connection, on standard input and output
    local method path line='' n='' max=${MAX:-33554432} answer
    IFS=' ' read -r -t 10 method path _ || return 0
    while IFS= read -r -t 10 line && line=${line,,} line=${line%$'\r'} && [ "$line" ]; do
        case $line in content-length:*) n=${line#*:} n=${n//[[:space:]]/} ;;
            expect:*) printf 'HTTP/1.1 100 Continue\r\n\r\n' ;; esac
    done
    [[ $n =~ ^[1-9][0-9]{0,17}$ ]] && ((n <= max)) || n=''
    case $method$path$n in
        GET/health) kill -0 "$(< "$SERVE/line")" && say '200 OK' text/plain ok ;;
        GET/metrics) say '200 OK' text/plain "$(< "$SERVE/metrics")" ;;
        POST*[0-9]) timeout 60 head -c "$n" > "$me" && mkfifo "$me.answer"
            exec {answer}<> "$me.answer"
            printf '%s\n' "$me" > "$SERVE/names"
            IFS= read -r -t 60 line <&"$answer" || line='{"error":"no answer in a minute"}'
            case $line in *'"error":'*) n='422 Unprocessable Content' ;; *) n='200 OK' ;; esac
            say "$n" application/json "$line" ;;
        POST*) say '413 Content Too Large' text/plain "a body of 1 to $max bytes, please" ;;
        *) say '405 Method Not Allowed' text/plain 'POST a photo; GET /health, /metrics' ;;
    esac
}
answers() { # each to the connection that waits for it, and counted
    local line id n=0 bad=0
    while printf '# TYPE rn_%s_total counter\nrn_%s_total %d\n' \
        photos photos $n errors errors $bad > "$SERVE/new" &&
        mv "$SERVE/new" "$SERVE/metrics" && IFS= read -r line; do
        id=${line#*\"id\":\"} id=${id%%[\"#]*} n=$((n + 1))
        case $line in *'"error":'*) bad=$((bad + 1)) ;; esac
        [ ! -p "$id.answer" ] || printf '%s\n' "${line//"$SERVE/"/}" 1<> "$id.answer"
    done
}
if [ "${1-}" = --one ]; then me=$SERVE/$$ && trap 'rm -f "$me" "$me.answer"' EXIT && one; exit 0; fi
SELF=$0 SERVE=$(mktemp -d) && export SELF SERVE && trap 'rm -rf "$SERVE"' EXIT && mkfifo "$SERVE/names"
trap 'kill "$socat"' TERM INT
{ rn-list --files-from "$SERVE/names" --live || :; } |
    { rn-batch -q -k --for "$1" --wait "${WAIT:-5}" --max-pixels "${PIXELS:-100M}" || :; } |
    { rn-predict -q -m "$1" --json || :; } | answers & echo $! > "$SERVE/line"
exec 9> "$SERVE/names" # the line goes on as long as this is open
socat "TCP-LISTEN:$2,fork,reuseaddr,max-children=64" SYSTEM:'exec \"$SELF\" --one' 9>&- & socat=$!
wait "$socat" || exec 9>&-
wait "$(< "$SERVE/line")"
