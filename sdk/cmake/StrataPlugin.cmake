# strata_add_plugin(name TYPES type:kind … [MANIFEST plugin.toml] [TIER c|torch-native] SOURCES file …
#                   [KIT] [NO_INSTALL])
#
# Builds <name>.so, a plugin of Strata: one exported symbol, everything bound when it is loaded, and an ELF
# note that says what is inside.
#   TYPES       the types it offers, as "acme.Zero3:strategy"
#   MANIFEST    a TOML file with [plugin] id, version, license, vendor, doc. Without one: id = name and the
#               version of the project
#   TIER        c (the default): sees handles and the C tables, links no LibTorch, keeps working for years.
#               torch-native: sees at::Tensor and loads into a host with the very same LibTorch only
#   KIT         links StrataSDK::kit, the parts that strategies share
#   NO_INSTALL  is not installed; without it, into lib/strata/plugins/abi-<major>
include_guard(GLOBAL)
set_property(GLOBAL PROPERTY STRATA_SDK_VERSION "${STRATA_SDK_VERSION}")
set_property(GLOBAL PROPERTY STRATA_SDK_INCLUDE_DIR "${STRATA_SDK_INCLUDE_DIR}")

set_property(GLOBAL PROPERTY STRATA_KINDS
  strategy optim_wrapper hook optimizer param_scheduler metric dataset transform sampler visualizer
  communicator model)

function(strata_add_plugin name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "KIT;NO_INSTALL" "MANIFEST;TIER" "TYPES;SOURCES")
  if(NOT arg_TIER)
    set(arg_TIER c)
  endif()
  _strata_check_plugin()

  add_library(${name} MODULE ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE StrataSDK::sdk)
  if(arg_KIT)
    target_link_libraries(${name} PRIVATE StrataSDK::kit)
  endif()
  # The same run path built and installed. CMake would pad the first with empty entries to make room for the
  # second, and the loader reads an empty entry as the current directory.
  set_target_properties(${name} PROPERTIES PREFIX "" SUFFIX ".so" POSITION_INDEPENDENT_CODE ON
    BUILD_WITH_INSTALL_RPATH ON INSTALL_RPATH "")
  get_property(languages GLOBAL PROPERTY ENABLED_LANGUAGES)
  if("CXX" IN_LIST languages)
    target_compile_features(${name} PRIVATE cxx_std_20)
  endif()
  # Fused multiply-adds in a loop's vector body and none in its remainder would make an optimizer's result depend
  # on where a parameter was cut; the kit's loops count on this as well.
  target_compile_options(${name} PRIVATE $<$<COMPILE_LANGUAGE:C,CXX>:-ffp-contract=off>)

  _strata_hide_symbols(${name} ${arg_TIER})
  _strata_add_note(${name})
  if(NOT arg_NO_INSTALL)
    _strata_abi_number(MAJOR major)
    install(TARGETS ${name} LIBRARY DESTINATION lib/strata/plugins/abi-${major})
  endif()
endfunction()

# Refuses a call that could only produce a plugin nobody can load.
function(_strata_check_plugin)
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "strata_add_plugin(${name}): does not know ${arg_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT arg_TYPES OR NOT arg_SOURCES)
    message(FATAL_ERROR "strata_add_plugin(${name}): wants TYPES type:kind … and SOURCES file …")
  endif()
  if(NOT arg_TIER MATCHES "^(c|torch-native)$")
    message(FATAL_ERROR "strata_add_plugin(${name}): TIER is c or torch-native, not ${arg_TIER}")
  endif()
  if(arg_TIER STREQUAL "torch-native" AND NOT TARGET StrataSDK::torch)
    message(FATAL_ERROR "strata_add_plugin(${name}): tier torch-native needs a LibTorch. "
      "Set Torch_DIR or CMAKE_PREFIX_PATH to one; find_package(StrataSDK COMPONENTS torch) finds it.")
  endif()
  get_property(kinds GLOBAL PROPERTY STRATA_KINDS)
  foreach(entry IN LISTS arg_TYPES)
    if(NOT entry MATCHES "^([A-Za-z_][A-Za-z0-9_.]*):([a-z_]+)$" OR NOT CMAKE_MATCH_2 IN_LIST kinds)
      list(JOIN kinds ", " known)
      message(FATAL_ERROR "strata_add_plugin(${name}): TYPES wants type:kind, not \"${entry}\". Kinds: ${known}")
    endif()
  endforeach()
endfunction()

# Keeps everything of a plugin to itself: two plugins, or a plugin and the host, that were linked with the
# same library or use the same name must not end up sharing it.
function(_strata_hide_symbols name tier)
  get_property(languages GLOBAL PROPERTY ENABLED_LANGUAGES)
  set(map plugin.map)
  if(tier STREQUAL "torch-native")
    # Visibility stays as LibTorch's headers expect it; the map hides what is not LibTorch's.
    set(map plugin_torch.map)
    target_link_libraries(${name} PRIVATE StrataSDK::torch)
    get_target_property(torch_cpu strata_torch::torch_cpu IMPORTED_LOCATION)
    get_filename_component(torch_dir "${torch_cpu}" DIRECTORY)
    set_target_properties(${name} PROPERTIES INSTALL_RPATH "${torch_dir}")
  else()
    set_target_properties(${name} PROPERTIES C_VISIBILITY_PRESET hidden)
    if("CXX" IN_LIST languages)
      set_target_properties(${name} PROPERTIES CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
      # GCC's unique symbols are merged in the whole process, whatever the map says.
      target_compile_options(${name} PRIVATE "$<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fno-gnu-unique>")
    endif()
  endif()

  set(map "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/${map}")
  set_property(TARGET ${name} APPEND PROPERTY LINK_DEPENDS "${map}")
  target_link_options(${name} PRIVATE "LINKER:--version-script=${map}" "LINKER:--exclude-libs,ALL"
    LINKER:-z,nodelete LINKER:-z,now)
  # Clang leaves the sanitizers' own symbols to the executable.
  if(NOT (STRATA_SANITIZE AND CMAKE_CXX_COMPILER_ID MATCHES "Clang"))
    target_link_options(${name} PRIVATE LINKER:-z,defs)
  endif()
endfunction()

function(_strata_abi_number which out)
  get_property(include_dir GLOBAL PROPERTY STRATA_SDK_INCLUDE_DIR)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${include_dir}/strata/abi/core.h")
  file(STRINGS "${include_dir}/strata/abi/core.h" line REGEX "^#define STRATA_ABI_${which} [0-9]+")
  string(REGEX MATCH "[0-9]+" number "${line}")
  set(${out} ${number} PARENT_SCOPE)
endfunction()

# Writes the note's source from the manifest and TYPES, and adds it to the plugin.
function(_strata_add_note name)
  _strata_manifest_text(manifest_text manifest_label)
  _strata_abi_number(MAJOR major)
  _strata_abi_number(MINOR minor)
  get_property(sdk GLOBAL PROPERTY STRATA_SDK_VERSION)
  # Top-level keys come before the manifest's own, which may begin with some.
  string(CONCAT text "tier = \"${arg_TIER}\"\n${manifest_text}\n"
    "[abi]\nmajor = ${major}\nminor = ${minor}\nsdk = \"${sdk}\"\n")
  foreach(entry IN LISTS arg_TYPES)
    string(REGEX MATCH "^(.*):(.*)$" _ "${entry}")
    string(APPEND text "\n[[types]]\nname = \"${CMAKE_MATCH_1}\"\nkind = \"${CMAKE_MATCH_2}\"\n")
  endforeach()

  set(tag_include "")
  set(tag_lines "")
  set(language C)
  get_property(languages GLOBAL PROPERTY ENABLED_LANGUAGES)
  if(arg_TIER STREQUAL "torch-native")
    # Only the compiler knows the tag, so it fills it in.
    string(APPEND text "\n[torch]\nbuild_tag = \"")
    set(tag_include "#include \"strata/torch/build_tag.h\"\n")
    set(tag_lines [[".ascii \"" STRATA_TORCH_BUILD_TAG "\\\"\\n\"\n"]])
    set(language CXX)
  elseif(NOT "C" IN_LIST languages)
    set(language CXX)
  endif()

  set(suffix_C c)
  set(suffix_CXX cpp)
  set(source "${CMAKE_CURRENT_BINARY_DIR}/${name}_note.${suffix_${language}}")
  _strata_assembler_bytes("${text}" text_bytes)
  configure_file("${CMAKE_CURRENT_FUNCTION_LIST_DIR}/note.c.in" "${source}" @ONLY)
  set_source_files_properties("${source}" PROPERTIES
    COMPILE_OPTIONS -Wno-overlength-strings SKIP_PRECOMPILE_HEADERS ON SKIP_UNITY_BUILD_INCLUSION ON)
  target_sources(${name} PRIVATE "${source}")
endfunction()

# The manifest's text. It must be free of what is generated, and configuring depends on it.
function(_strata_manifest_text out out_label)
  if(NOT arg_MANIFEST)
    set(version "${PROJECT_VERSION}")
    if(NOT version)
      set(version 0.0.0)
    endif()
    set(${out} "[plugin]\nid = \"${name}\"\nversion = \"${version}\"\n" PARENT_SCOPE)
    set(${out_label} "its name" PARENT_SCOPE)
    return()
  endif()

  get_filename_component(path "${arg_MANIFEST}" ABSOLUTE BASE_DIR "${CMAKE_CURRENT_SOURCE_DIR}")
  if(NOT EXISTS "${path}")
    message(FATAL_ERROR "strata_add_plugin(${name}): no manifest at ${path}")
  endif()
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${path}")
  file(READ "${path}" text)
  string(PREPEND text "\n")
  if(NOT text MATCHES "\n *\\[plugin\\]" OR NOT text MATCHES "\n *id *=" OR NOT text MATCHES "\n *version *=")
    message(FATAL_ERROR "strata_add_plugin(${name}): ${path} wants a table [plugin] with id and version")
  endif()
  if(text MATCHES "\n *(\\[abi\\]|\\[torch\\]|\\[\\[types\\]\\]|tier *=)")
    message(FATAL_ERROR "strata_add_plugin(${name}): ${path} has ${CMAKE_MATCH_1}, which is generated "
      "from TIER, TYPES and the SDK")
  endif()
  set(${out} "${text}" PARENT_SCOPE)
  set(${out_label} "${arg_MANIFEST}" PARENT_SCOPE)
endfunction()

# As numbers: no quoting in CMake, C or the assembler can then change a character.
function(_strata_assembler_bytes text out)
  string(HEX "${text}" hex)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
  set(lines "")
  string(LENGTH "${bytes}" length)
  set(at 0)
  while(at LESS length)
    string(SUBSTRING "${bytes}" ${at} 80 piece) # 16 bytes of 5 characters
    string(REGEX REPLACE ",$" "" piece "${piece}")
    string(APPEND lines "    \".byte ${piece}\\n\"\n")
    math(EXPR at "${at} + 80")
  endwhile()
  set(${out} "${lines}" PARENT_SCOPE)
endfunction()
