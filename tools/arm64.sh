#!/bin/sh
# tools/arm64.sh makes an emulated 64-bit Arm machine for tests/latency/targets/test_emulated_arm.py, without root.
#
# It unpacks Debian 13's qemu-user and arm64 Python, and the aarch64 wheels of numpy and onnxruntime, into build/arm64
# (0.2 GB). Packages come from where apt and pip are configured to look; apt checks their signatures. Debian 12 is fine,
# but its own QEMU 7.2 crashes when onnxruntime is imported.
set -eu
cd "$(dirname "$0")/.."
folder=$PWD/build/arm64
sources=/etc/apt/sources.list.d/debian.sources
[ -f "$sources" ] || { echo "$sources is missing: this script needs Debian 12 or 13" >&2; exit 2; }
host=$(dpkg --print-architecture)
rm -rf "$folder"
mkdir -p "$folder/apt/lists/partial" "$folder/apt/cache/archives/partial" "$folder/debs"

# An apt of its own, for Debian 13 and two architectures, that knows nothing of the packages of this machine.
awk -v RS= -v ORS='\n\n' '!/security/' "$sources" | sed 's/^Suites:.*/Suites: trixie/' > "$folder/apt/trixie.sources"
: > "$folder/apt/status"
cat > "$folder/apt/apt.conf" <<END
Dir::State "$folder/apt";
Dir::State::status "$folder/apt/status";
Dir::Cache "$folder/apt/cache";
Dir::Etc::sourcelist "$folder/apt/trixie.sources";
Dir::Etc::sourceparts "-";
APT::Architectures { "$host"; "arm64"; };
APT::Sandbox::User "";
END
export APT_CONFIG="$folder/apt/apt.conf"
apt-get -qq update
(
    cd "$folder/debs"
    apt-get -qq download "qemu-user:$host" python3.13-minimal:arm64 libpython3.13-minimal:arm64 \
        libpython3.13-stdlib:arm64 libc6:arm64 libgcc-s1:arm64 libstdc++6:arm64 libexpat1:arm64 zlib1g:arm64 \
        libffi8:arm64 libbz2-1.0:arm64 liblzma5:arm64 libssl3t64:arm64 libzstd1:arm64
)
dpkg --fsys-tarfile "$folder"/debs/qemu-user_*.deb | tar -x -C "$folder" --strip-components=3 ./usr/bin/qemu-aarch64
mkdir "$folder/root"
ln -s usr/lib "$folder/root/lib"
for package in "$folder"/debs/*python3* "$folder"/debs/lib[!p]*.deb "$folder"/debs/zlib*.deb; do
    dpkg -x "$package" "$folder/root"
done
python3 -m pip --quiet install --target "$folder/site" --only-binary=:all: --python-version 3.13 --implementation cp \
    --platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64 --platform manylinux2014_aarch64 numpy onnxruntime

# Settings of OpenBLAS for the real processor stop it on the emulated one.
cat > "$folder/python3" <<END
#!/bin/sh
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE
export PYTHONPATH='$folder/site'
exec '$folder/qemu-aarch64' -L '$folder/root' '$folder/root/usr/bin/python3.13' "\$@"
END
chmod +x "$folder/python3"
rm -rf "$folder/apt" "$folder/debs"
"$folder/python3" -c 'import platform, onnxruntime; print(platform.machine(), "onnxruntime", onnxruntime.__version__)'
