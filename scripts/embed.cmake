# This writes a C++ file that holds the text of another file as the string SYMBOL of namespace r1: the bytes of the text,
# and a literal for each of its lines.
#
#   cmake -DFILE=page.html -DSYMBOL=page_html -DOUTPUT=page_html.cpp -P scripts/embed.cmake
file(READ "${FILE}" text HEX)
string(REGEX REPLACE "(..)" "\\\\x\\1" text "${text}")
string(REPLACE "\\x0a" "\\n\"\n    \"" text "${text}")
file(WRITE "${OUTPUT}" "namespace r1 {
extern const char ${SYMBOL}[];
const char ${SYMBOL}[] =
    \"${text}\";
}  // namespace r1
")
