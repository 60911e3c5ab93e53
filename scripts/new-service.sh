#!/usr/bin/env bash
# new-service.sh NAME: generates a native service by copying services/template: a crate with an interface, a server, a
# client, a manifest and the expected output of its boot. Used by `make new-service`.
set -euo pipefail
cd "$(dirname "$0")/.."

name=${1:-}
snake=${name//-/_}

# refuse REASON: fails before anything has been created.
refuse() {
    echo "new-service: error: $1" >&2
    exit 1
}

[ -n "$name" ] || refuse "which name? make new-service NAME=my-service"
[[ $name =~ ^[a-z][a-z0-9]*(-[a-z][a-z0-9]*)*$ && ${#name} -le 40 ]] ||
    refuse "'$name' is no name for a service: words of small letters and digits, joined by '-', 40 characters at most"
# Generated code has a module of this name, and a type with the same name in upper case.
case " as async await box break client const continue copy crate debug default drop dyn else enum err extern false fn for gen \
if impl in let loop match mod move mut none ok option pub rc ref result return self send server sized some static string struct \
super sync test trait true type union unsafe use vec where while alloc core std abstract become do final macro override priv \
proc-macro try typeof unsized virtual yield " in
*" $name "*) refuse "'$name' means something to Rust already; choose another name" ;;
esac
for path in "services/$name" "demos/native/$name" "manifests/$name.cue" "tests/manifests/$name.cue" "tests/expected/$name.toml"; do
    [ ! -e "$path" ] || refuse "$path exists already; choose another name"
done
! grep -qE "^name = \"($name|$snake)\"\$" Cargo.lock || refuse "a crate is called $name already (Cargo.lock); choose another name"
for program in "$name-server" "$name-client"; do
    if compgen -G "*/*/src/bin/$program.rs" >/dev/null || compgen -G "*/*/*/src/bin/$program.rs" >/dev/null ||
        grep -qrsE --include=Cargo.toml "^name = \"$program\"\$" services storage demos capos-wasm tests/native; then
        refuse "a program is called $program already; choose another name"
    fi
done

camel=
IFS=- read -ra words <<<"$name"
for word in "${words[@]}"; do camel+=${word^}; done
# Cap'n Proto's ids have the highest bit set. Those of the interfaces in a file are derived from the
# file's.
id=$(od -An -N8 -tx8 /dev/urandom | tr -d ' ')
id=$(printf '@0x%x' $((0x$id | 1 << 63)))

# Installed completely, or not at all.
made=(services/"$name" manifests/"$name".cue tests/expected/"$name".toml)
trap 'rm -rf "${made[@]}"; [ ! -e Cargo.lock.before ] || mv Cargo.lock.before Cargo.lock' ERR INT TERM

# renamed FROM TO
renamed() {
    mkdir -p "$(dirname "$2")"
    sed -E -e "s/@0x[0-9a-f]{16}/$id/" -e "s/counter-(server|client)/$name-\1/g" -e "s/\"(counter|template)\"/\"$name\"/g" \
        -e "s/services\/template/services\/$name/g" -e "s/template::/$snake::/g" -e "s/counter/$snake/g" -e "s/Counter/$camel/g" "$1" >"$2"
}
while read -r file; do
    target=${file/#services\/template/services\/$name}
    base=$(basename "$target")
    case $base in
    counter-*) base=$name-${base#counter-} ;;
    counter.*) base=$snake.${base#counter.} ;;
    esac
    renamed "$file" "$(dirname "$target")/$base"
done < <(find services/template -type f)
renamed manifests/template.cue "manifests/$name.cue"
cp tests/expected/template.toml "tests/expected/$name.toml"

# The new crate gets its entry in the lock file; nothing else in there changes.
cp Cargo.lock Cargo.lock.before
"${CARGO:-cargo}" update --workspace --offline >/dev/null 2>build/new-service.log || {
    cat build/new-service.log >&2
    false
}
rm Cargo.lock.before
# A name of another length may require other line breaks.
"$(dirname "${CARGO:-cargo}")/cargo-fmt" fmt -p "$name"

cat <<END
new-service: made services/$name, with its interface in services/$name/schema/$snake.capnp
new-service: made manifests/$name.cue and tests/expected/$name.toml
new-service: next:  make run-$name;  make e2e TESTS=run-$name;  docs/native-services.md
END
