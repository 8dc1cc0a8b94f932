// Keys: one typed name for each row of the catalogue, so that code reads
// options[key::idle_time] and gets a const Duration&.
#pragma once

#include "config/catalogue.h"

#include <cstdint>
#include <type_traits>

namespace impulse::config {

// The C++ type that stands for a Type.
template <Type>
struct TypeOf;
template <>
struct TypeOf<Type::boolean> : std::type_identity<bool> {};
template <>
struct TypeOf<Type::integer> : std::type_identity<int64_t> {};
template <>
struct TypeOf<Type::size> : std::type_identity<uint64_t> {};
template <>
struct TypeOf<Type::duration> : std::type_identity<Duration> {};
template <>
struct TypeOf<Type::rate> : std::type_identity<Rate> {};
template <>
struct TypeOf<Type::octal> : std::type_identity<uint32_t> {};
template <>
struct TypeOf<Type::string> : std::type_identity<std::string> {};
template <>
struct TypeOf<Type::secret> : std::type_identity<std::string> {};
template <>
struct TypeOf<Type::path> : std::type_identity<std::string> {};
template <>
struct TypeOf<Type::enumeration> : std::type_identity<Enum> {};
template <>
struct TypeOf<Type::strings> : std::type_identity<Strings> {};
template <>
struct TypeOf<Type::networks> : std::type_identity<NetworkList> {};
template <>
struct TypeOf<Type::globs> : std::type_identity<GlobList> {};
template <>
struct TypeOf<Type::dictionary> : std::type_identity<Dictionary> {};
template <>
struct TypeOf<Type::size_or_percent> : std::type_identity<SizeOrPercent> {};

// Row numbers, in the order of options/rows.def.
enum class Row : uint16_t {
#define OPTION(identifier, ...) identifier,
#include "config/options/rows.def"
#undef OPTION
  count_
};
constexpr size_t option_count = static_cast<size_t>(Row::count_);

namespace key {
#define OPTION(identifier, name, kind, ...) \
  inline constexpr Key<TypeOf<Type::kind>::type> identifier{static_cast<uint16_t>(Row::identifier)};
#include "config/options/rows.def"
#undef OPTION
}  // namespace key

// The catalogue's row of a key.
template <class T>
const OptionDef& definition(Key<T> key) {
  return options()[key.index];
}

}  // namespace impulse::config
