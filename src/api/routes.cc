#include "api/routes.h"

#include "base/text.h"

#include <algorithm>
#include <vector>

namespace impulse::api {

namespace {

using http::Method;
using enum auth::Right;

constexpr Route table[] = {
    {Method::post, "/api/v1/transmissions", Module::inject, inject, Handler::transmissions, "createTransmission",
     Style::transmissions},
    {Method::post, "/api/inject/v1", Module::inject, inject, Handler::inject, "injectMessages", Style::inject},
    {Method::post, "/api/impulse/v1/messages", Module::inject, inject, Handler::messages, "submitMessage"},
    {Method::get, "/api/impulse/v1/messages/{id}", Module::inject, inject, Handler::message_state, "messageState"},
    {Method::post, "/api/impulse/v1/control", Module::admin, admin, Handler::control, "runCommand"},
    {Method::get, "/metrics", Module::metrics, metrics, Handler::metrics, "metrics"},
    {Method::get, "/healthz/live", Module::health, std::nullopt, Handler::live, "live"},
    {Method::get, "/healthz/ready", Module::health, std::nullopt, Handler::ready, "ready"},
    {Method::get, "/docs", Module::docs, std::nullopt, Handler::docs, "docs"},
    {Method::get, "/openapi.json", Module::docs, std::nullopt, Handler::openapi, "openapi"},
};

// What stands for {id}; none: that is another path.
std::optional<std::string_view> match(std::string_view pattern, std::string_view path) {
  const size_t brace = pattern.find('{');
  if (brace == std::string_view::npos) return path == pattern ? std::optional(std::string_view()) : std::nullopt;
  if (!path.starts_with(pattern.substr(0, brace)) || path.size() == brace) return std::nullopt;
  return path.substr(brace);
}

// Clients of SparkPost's write "/api/v1/transmissions/" as well.
std::string_view without_last_slashes(std::string_view path) {
  if (path.starts_with("/api/"))
    while (path.ends_with('/')) path.remove_suffix(1);
  return path;
}

std::string join(const std::vector<Method>& methods) {
  std::string text;
  for (const Method method : methods) text += fmt::format("{}{}", text.empty() ? "" : ", ", http::method_name(method));
  return text;
}

}  // namespace

std::string_view name(Module module) {
  switch (module) {
    case Module::inject:
      return "inject";
    case Module::metrics:
      return "metrics";
    case Module::health:
      return "health";
    case Module::admin:
      return "admin";
    case Module::docs:
      return "docs";
  }
  return {};
}

Result<Modules> Modules::read(std::span<const std::string> words) {
  Modules modules;
  for (const std::string& word : words) {
    const auto* const found =
        std::ranges::find_if(all_modules, [&](Module module) { return iequals(name(module), word); });
    if (found == std::end(all_modules))
      return fail(Errc::invalid, "'{}' is no module: inject, metrics, health, admin and docs are",
                  escape_line(word, 80));
    modules.add(*found);
  }
  return modules;
}

std::span<const Route> routes() { return table; }

Routing find_route(Method method, std::string_view path, Modules modules) {
  path = without_last_slashes(path);
  Routing routing;
  std::vector<Method> methods;
  const auto take = [&](Method one) {
    if (std::ranges::find(methods, one) == methods.end()) methods.push_back(one);
  };
  const Method wanted = method == Method::head ? Method::get : method;
  for (const Route& route : table) {
    if (!modules.has(route.module)) continue;
    const auto parameter = path == "*" ? std::optional(std::string_view()) : match(route.pattern, path);
    if (!parameter) continue;
    take(route.method);
    if (route.method == Method::get) take(Method::head);
    if (route.method != wanted || path == "*") continue;
    routing.route = &route;
    routing.parameter = http::path_parameter(*parameter);
  }
  if (!methods.empty()) take(Method::options);
  routing.allow = join(methods);
  return routing;
}

}  // namespace impulse::api
