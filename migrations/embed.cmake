# Writes OUTPUT, a C file that holds the text of each migration in FILES, in the order of their
# names. Run by the build: cmake -DOUTPUT=… -DFILES=a.sql;b.sql -P embed.cmake

set(arrays "")
set(table "")
list(SORT FILES COMPARE FILE_BASENAME)
set(expected 1)
foreach(path ${FILES})
  get_filename_component(name ${path} NAME)
  if(NOT name MATCHES "^([0-9][0-9][0-9][0-9])_[a-z_]+\\.sql$")
    message(FATAL_ERROR "${name}: a migration is named NNNN_words.sql")
  endif()
  math(EXPR number "${CMAKE_MATCH_1}" OUTPUT_FORMAT DECIMAL)
  if(NOT number EQUAL expected)
    message(FATAL_ERROR "${name}: the next migration's number must be ${expected}")
  endif()
  math(EXPR expected "${expected} + 1")
  file(READ ${path} bytes HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${bytes}")
  string(APPEND arrays "static const char migration_${number}[] = {${bytes}0x00};\n")
  string(APPEND table "    {${number}, \"${name}\", migration_${number}},\n")
endforeach()
math(EXPR count "${expected} - 1")

file(WRITE ${OUTPUT}
"/* Made by migrations/embed.cmake from migrations/. */
#include \"outhook/store/migration.h\"

${arrays}
const struct migration migrations[] = {
${table}};
const int migrations_count = ${count};
")
