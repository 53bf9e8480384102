# Compiles each header of the border by itself: cmake -D COMPILER=gcc -D STANDARD=c11 -D INCLUDE_DIR=… -P this
if(NOT COMPILER)
  message(STATUS "skipped: this machine has no such compiler")
  return()
endif()
set(language c)
if(STANDARD MATCHES "\\+\\+")
  set(language c++)
endif()

file(GLOB headers "${INCLUDE_DIR}/strata/abi/*.h" "${INCLUDE_DIR}/strata/abi.h")
list(LENGTH headers count)
if(count LESS 2)
  message(FATAL_ERROR "no headers in ${INCLUDE_DIR}/strata/abi")
endif()
set(failed "")
foreach(header IN LISTS headers)
  execute_process(
    COMMAND "${COMPILER}" -x ${language} -std=${STANDARD} -Wall -Wextra -Wpedantic -Werror -fsyntax-only
      "-I${INCLUDE_DIR}" "${header}"
    RESULT_VARIABLE code ERROR_VARIABLE messages)
  if(NOT code EQUAL 0)
    string(APPEND failed "${messages}")
  endif()
endforeach()
if(failed)
  message(FATAL_ERROR "${failed}")
endif()
message(STATUS "${count} headers compile as ${STANDARD}")
