#!/bin/sh
# Unpack Debian's OpenSTA and OSU 0.18 um standard cells into .tools/debian, without root and without installing them.
set -eu
mkdir -p .tools/packages .tools/debian
cd .tools/packages
rm -f ./*.deb
for program in apt-get apt-cache dpkg; do
  command -v "$program" > /dev/null || {
    echo "$program not found: this is no Debian. Install OpenSTA (sta) and name a Liberty file in the stanza (liberty)." >&2
    exit 1
  }
done
apt="-o Debug::NoLocking=1"
if ! apt-cache show opensta qflow-tech-osu018 > /dev/null 2>&1; then
  # package lists of our own: the system's are empty, or lack these packages
  mkdir -p lists/partial cache/archives/partial
  apt="$apt -o Dir::State::Lists=$PWD/lists -o Dir::Cache=$PWD/cache"
  apt-get $apt update
fi
# the shared libraries that the system lacks; of the cells' package only the files, not the tools that it asks for
libraries=$(apt-get $apt --simulate --no-install-recommends install opensta | awk '$1 == "Inst" && $2 != "opensta" {print $2}')
apt-get $apt download opensta qflow-tech-osu018 $libraries
for package in *.deb; do
  dpkg -x "$package" ../debian
done
rm -rf lists cache
cd ..
LD_LIBRARY_PATH=$(echo debian/usr/lib/*-linux-gnu) debian/usr/bin/sta -version > /dev/null || {
  echo "The unpacked OpenSTA does not start." >&2
  exit 1
}
echo "Unpacked into .tools/debian: $(ls packages | sed 's|_.*||' | tr '\n' ' ')"
