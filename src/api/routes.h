// Routes: the one table of what a HTTP listener serves: method, path, the module
// it belongs to and the right it asks for. Requests are sent their way by it, and
// doc/openapi.json is checked against it.
#pragma once

#include "api/error.h"
#include "auth/key_rights.h"
#include "base/result.h"
#include "http/message.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace impulse::api {

// What HTTP_Modules names.
enum class Module : uint8_t { inject, metrics, health, admin, docs };
constexpr Module all_modules[] = {Module::inject, Module::metrics, Module::health, Module::admin, Module::docs};
std::string_view name(Module module);  // "inject"

// A set of them. A value.
class Modules {
 public:
  constexpr Modules() = default;
  // As HTTP_Modules says; Errc::invalid names the word that is no module.
  static Result<Modules> read(std::span<const std::string> words);
  constexpr bool has(Module module) const { return (bits_ & bit(module)) != 0; }
  constexpr Modules& add(Module module) {
    bits_ = static_cast<uint8_t>(bits_ | bit(module));
    return *this;
  }
  friend bool operator==(const Modules&, const Modules&) = default;

 private:
  static constexpr uint8_t bit(Module module) { return static_cast<uint8_t>(1U << static_cast<unsigned>(module)); }
  uint8_t bits_ = 0;
};

// Who answers.
enum class Handler : uint8_t {
  transmissions,
  inject,
  messages,
  message_state,
  control,
  metrics,
  live,
  ready,
  docs,
  openapi,
};

struct Route {
  http::Method method;
  std::string_view pattern;  // "{id}", at the end, stands for one piece of the path or more
  Module module;
  std::optional<auth::Right> right;  // that a client needs; none: everybody may
  Handler handler;
  std::string_view operation;    // operationId in doc/openapi.json
  Style style = Style::impulse;  // of errors, and of the answer
};
std::span<const Route> routes();

// Where a request goes.
struct Routing {
  const Route* route = nullptr;  // null: nowhere, by what `allow` says
  std::string parameter;         // what stands for {id}, decoded
  // For the field Allow: what that path takes, "GET, HEAD, OPTIONS". Empty: there
  // is no such path here (404). Without a route: 405, or to OPTIONS 204.
  std::string allow;
};
// `path` as http::RequestHead has it; slashes at the end of one below /api/ mean
// nothing. Modules that are not served are as if they were not there. HEAD goes
// where GET goes.
Routing find_route(http::Method method, std::string_view path, Modules modules);

}  // namespace impulse::api
