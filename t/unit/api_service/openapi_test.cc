// doc/openapi.json and the table of routes say the same, and the document holds
// together; the page that is made of it needs nothing from elsewhere.
#include "api/openapi.h"
#include "api/routes.h"
#include "base/text.h"

#include <cppunit/extensions/HelperMacros.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <functional>
#include <set>

using namespace impulse;
using namespace impulse::api;
using namespace std::string_literals;
using Json = nlohmann::ordered_json;

namespace {

class OpenApiTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(OpenApiTest);
  CPPUNIT_TEST(no_name_twice);
  CPPUNIT_TEST(every_route_is_described);
  CPPUNIT_TEST(everything_described_is_a_route);
  CPPUNIT_TEST(references_lead_somewhere);
  CPPUNIT_TEST(nothing_is_left_over);
  CPPUNIT_TEST(operations_hold_together);
  CPPUNIT_TEST(a_page_of_it);
  CPPUNIT_TEST_SUITE_END();

  Json document_;

 public:
  void setUp() override { document_ = Json::parse(openapi_json()); }

 private:
  static void each(const Json& value, const std::function<void(const Json&)>& visit) {
    visit(value);
    if (value.is_structured())
      for (const Json& inner : value) each(inner, visit);
  }
  void each_operation(
      const std::function<void(const std::string& path, const std::string& method, const Json&)>& visit) {
    for (const auto& [path, methods] : document_.at("paths").items())
      for (const auto& [method, operation] : methods.items()) visit(path, method, operation);
  }
  std::set<std::string> references() const {
    std::set<std::string> found;
    each(document_, [&](const Json& value) {
      if (value.is_object() && value.contains("$ref")) found.insert(value.at("$ref").get<std::string>());
    });
    return found;
  }

  void no_name_twice() {
    std::vector<std::set<std::string>> open;
    const auto watch = [&](int, Json::parse_event_t event, Json& value) {
      if (event == Json::parse_event_t::object_start) open.emplace_back();
      if (event == Json::parse_event_t::key)
        CPPUNIT_ASSERT_MESSAGE(value.dump(), open.back().insert(value.get<std::string>()).second);
      if (event == Json::parse_event_t::object_end) open.pop_back();
      return true;
    };
    CPPUNIT_ASSERT(Json::parse(openapi_json(), watch) == document_);
    CPPUNIT_ASSERT(open.empty());
    CPPUNIT_ASSERT(document_.at("openapi").get<std::string>().starts_with("3.1."));
  }
  void every_route_is_described() {
    for (const Route& route : routes()) {
      const std::string where = fmt::format("{} {}", http::method_name(route.method), route.pattern);
      const auto path = document_.at("paths").find(std::string(route.pattern));
      CPPUNIT_ASSERT_MESSAGE(where, path != document_.at("paths").end());
      const auto operation = path->find(lower(http::method_name(route.method)));
      CPPUNIT_ASSERT_MESSAGE(where, operation != path->end());
      CPPUNIT_ASSERT_EQUAL_MESSAGE(where, std::string(route.operation),
                                   operation->at("operationId").get<std::string>());
      CPPUNIT_ASSERT_EQUAL_MESSAGE(where, std::string(name(route.module)),
                                   operation->at("tags").at(0).get<std::string>());
      CPPUNIT_ASSERT_EQUAL_MESSAGE(where, route.right ? std::string(auth::name(*route.right)) : ""s,
                                   operation->value("x-right", ""s));
      CPPUNIT_ASSERT_EQUAL_MESSAGE(where, route.right.has_value(), !operation->at("security").empty());
    }
  }
  void everything_described_is_a_route() {
    size_t count = 0;
    each_operation([&](const std::string& path, const std::string& method, const Json&) {
      ++count;
      CPPUNIT_ASSERT_MESSAGE(method + " " + path, std::ranges::any_of(routes(), [&](const Route& route) {
                               return route.pattern == path && lower(http::method_name(route.method)) == method;
                             }));
    });
    CPPUNIT_ASSERT_EQUAL(routes().size(), count);
    for (const Json& tag : document_.at("tags"))
      CPPUNIT_ASSERT(Modules::read(std::vector{tag.at("name").get<std::string>()}));
    CPPUNIT_ASSERT_EQUAL(std::size(all_modules), document_.at("tags").size());
  }
  void references_lead_somewhere() {
    const auto found = references();
    CPPUNIT_ASSERT(found.size() > 20);
    for (const std::string& reference : found) {
      CPPUNIT_ASSERT_MESSAGE(reference, reference.starts_with("#/components/"));
      CPPUNIT_ASSERT_MESSAGE(reference, document_.contains(Json::json_pointer(reference.substr(1))));
    }
  }
  void nothing_is_left_over() {
    const auto found = references();
    for (const char* kind : {"schemas", "responses", "parameters", "headers"})
      for (const auto& [name, value] : document_.at("components").at(kind).items()) {
        const std::string reference = fmt::format("#/components/{}/{}", kind, name);
        CPPUNIT_ASSERT_MESSAGE(reference, found.contains(reference));
      }
  }
  void operations_hold_together() {
    std::set<std::string> names;
    each_operation([&](const std::string& path, const std::string& method, const Json& operation) {
      const std::string where = method + " " + path;
      CPPUNIT_ASSERT_MESSAGE(where, names.insert(operation.at("operationId").get<std::string>()).second);
      CPPUNIT_ASSERT_MESSAGE(where, operation.at("responses").contains("200"));
      for (const auto& [status, response] : operation.at("responses").items())
        CPPUNIT_ASSERT_MESSAGE(where + " " + status,
                               status.size() == 3 && (response.contains("$ref") || response.contains("description")));
      for (const Json& wanted : operation.at("security"))  // {}: where no authentication is asked for
        for (const auto& [scheme, scopes] : wanted.items())
          CPPUNIT_ASSERT_MESSAGE(scheme, document_.at("components").at("securitySchemes").contains(scheme));
      const bool guarded = operation.contains("x-right");
      CPPUNIT_ASSERT_EQUAL_MESSAGE(where, guarded, operation.at("responses").contains("401"));
      CPPUNIT_ASSERT_EQUAL_MESSAGE(where, method == "post", operation.contains("requestBody"));
      // What a path names in braces is a parameter of it, and the other way round.
      const size_t braces = static_cast<size_t>(std::ranges::count(path, '{'));
      size_t in_path = 0;
      for (const Json& parameter : operation.value("parameters", Json::array()))
        if (parameter.value("in", ""s) == "path") {
          ++in_path;
          CPPUNIT_ASSERT(path.find("{" + parameter.at("name").get<std::string>() + "}") != std::string::npos);
          CPPUNIT_ASSERT(parameter.at("required").get<bool>());
        }
      CPPUNIT_ASSERT_EQUAL_MESSAGE(where, braces, in_path);
    });
    each(document_.at("components").at("schemas"), [](const Json& schema) {
      if (!schema.is_object() || !schema.contains("required") || !schema.at("required").is_array()) return;
      if (schema.size() == 1) return;  // an alternative: which of the members around it has to be there
      for (const Json& field : schema.at("required"))
        CPPUNIT_ASSERT_MESSAGE(field.dump(), schema.at("properties").contains(field.get<std::string>()));
    });
  }
  void a_page_of_it() {
    const std::string page = docs_page();
    for (const Route& route : routes())
      CPPUNIT_ASSERT_MESSAGE(std::string(route.pattern), page.find(route.pattern) != std::string::npos);
    for (const char* never : {"<script", "src=", "http://", "https://", "url(", "@import", "javascript:", " onclick"})
      CPPUNIT_ASSERT_MESSAGE(never, lower(page).find(never) == std::string::npos);
    // What the document says is text here, never markup.
    CPPUNIT_ASSERT(page.find("imp_&lt;id&gt;_&lt;secret&gt;") != std::string::npos);
    CPPUNIT_ASSERT(page.find("imp_<id>") == std::string::npos);
    // Each link within the page leads to a place in it.
    for (size_t at = page.find("href=\"#"); at != std::string::npos; at = page.find("href=\"#", at + 1)) {
      const std::string target = page.substr(at + 7, page.find('"', at + 7) - at - 7);
      CPPUNIT_ASSERT_MESSAGE(target, page.find("id=\"" + target + "\"") != std::string::npos);
    }
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(OpenApiTest);

}  // namespace
