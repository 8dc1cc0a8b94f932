// Which request goes where, by what a listener serves.
#include "api/routes.h"

#include <cppunit/extensions/HelperMacros.h>

using namespace impulse;
using namespace impulse::api;
using namespace std::string_literals;
using http::Method;

namespace {

Modules everything() {
  Modules all;
  for (const Module module : all_modules) all.add(module);
  return all;
}

class RoutesTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(RoutesTest);
  CPPUNIT_TEST(modules);
  CPPUNIT_TEST(found);
  CPPUNIT_TEST(an_id_is_a_parameter);
  CPPUNIT_TEST(other_methods);
  CPPUNIT_TEST(last_slashes);
  CPPUNIT_TEST(no_such_path);
  CPPUNIT_TEST(what_is_not_served_is_not_there);
  CPPUNIT_TEST(rights);
  CPPUNIT_TEST_SUITE_END();

  void modules() {
    const std::vector<std::string> words = {"Inject", "health"};
    const auto read = Modules::read(words);
    CPPUNIT_ASSERT(read && read->has(Module::inject) && read->has(Module::health) && !read->has(Module::admin));
    CPPUNIT_ASSERT(!Modules::read({}).value().has(Module::inject));
    const auto wrong = Modules::read(std::vector{"inject"s, "console\n"s});
    CPPUNIT_ASSERT(!wrong);
    CPPUNIT_ASSERT(wrong.error().message.find("'console\\n'") != std::string::npos);
  }
  void found() {
    for (const Route& route : routes()) {
      if (route.pattern.ends_with('}')) continue;
      const Routing routing = find_route(route.method, route.pattern, everything());
      CPPUNIT_ASSERT(routing.route == &route);
      CPPUNIT_ASSERT(routing.parameter.empty());
    }
    CPPUNIT_ASSERT(find_route(Method::head, "/metrics", everything()).route->handler == Handler::metrics);
  }
  void an_id_is_a_parameter() {
    for (const char* id : {"00000007/0012AB40-mx1", "00000007%2F0012AB40-mx1"}) {
      const Routing routing = find_route(Method::get, "/api/impulse/v1/messages/"s + id, everything());
      CPPUNIT_ASSERT(routing.route != nullptr && routing.route->handler == Handler::message_state);
      CPPUNIT_ASSERT_EQUAL("00000007/0012AB40-mx1"s, routing.parameter);
      CPPUNIT_ASSERT_EQUAL("GET, HEAD, OPTIONS"s, routing.allow);
    }
  }
  void other_methods() {
    const auto refused = [](Method method, const char* path, const std::string& allow) {
      const Routing routing = find_route(method, path, everything());
      CPPUNIT_ASSERT(routing.route == nullptr);
      CPPUNIT_ASSERT_EQUAL(allow, routing.allow);
    };
    refused(Method::get, "/api/v1/transmissions", "POST, OPTIONS");
    refused(Method::head, "/api/v1/transmissions", "POST, OPTIONS");
    refused(Method::options, "/api/v1/transmissions", "POST, OPTIONS");
    refused(Method::post, "/metrics", "GET, HEAD, OPTIONS");
    refused(Method::del, "/api/impulse/v1/messages/a", "GET, HEAD, OPTIONS");
    refused(Method::get, "/api/impulse/v1/messages", "POST, OPTIONS");
    refused(Method::options, "*", "POST, GET, HEAD, OPTIONS");
  }
  void last_slashes() {
    for (const char* path : {"/api/v1/transmissions/", "/api/v1/transmissions//"}) {
      const Routing routing = find_route(Method::post, path, everything());
      CPPUNIT_ASSERT(routing.route != nullptr && routing.route->handler == Handler::transmissions);
    }
    const Routing message = find_route(Method::get, "/api/impulse/v1/messages/00000007/0012AB40-mx1/", everything());
    CPPUNIT_ASSERT(message.route != nullptr && message.parameter == "00000007/0012AB40-mx1");
    CPPUNIT_ASSERT_EQUAL("POST, OPTIONS"s, find_route(Method::get, "/api/impulse/v1/messages/", everything()).allow);
  }
  void no_such_path() {
    for (const char* path :
         {"/", "", "/metrics/", "/Metrics", "/api", "/healthz", "//metrics", "/api/v1/transmissions/1",
          "/api/v1/transmissions%2F", "/api/", "/metrics%2F", "/api/impulse/v1/messages/{id", "x"}) {
      const Routing routing = find_route(Method::get, path, everything());
      if (std::string_view(path).starts_with("/api/impulse/v1/messages/")) continue;  // an id like any other
      CPPUNIT_ASSERT_MESSAGE(path, routing.route == nullptr && routing.allow.empty());
    }
  }
  void what_is_not_served_is_not_there() {
    for (const Route& route : routes()) {
      Modules others;
      for (const Module module : all_modules)
        if (module != route.module) others.add(module);
      const Routing routing = find_route(route.method, route.pattern, others);
      CPPUNIT_ASSERT(routing.route == nullptr);
      CPPUNIT_ASSERT(routing.allow.empty());
    }
    CPPUNIT_ASSERT_EQUAL("GET, HEAD, OPTIONS"s, find_route(Method::options, "*", Modules().add(Module::health)).allow);
    CPPUNIT_ASSERT(find_route(Method::options, "*", Modules()).allow.empty());
  }
  // What hands in mail, reads numbers or gives orders is nobody's by mistake.
  void rights() {
    for (const Route& route : routes()) {
      const bool open = route.module == Module::health || route.module == Module::docs;
      CPPUNIT_ASSERT_EQUAL(open, !route.right.has_value());
      if (!open) CPPUNIT_ASSERT_EQUAL(std::string(name(route.module)), std::string(auth::name(*route.right)));
    }
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(RoutesTest);

}  // namespace
