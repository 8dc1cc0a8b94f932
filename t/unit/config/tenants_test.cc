// Tenant: what its names are, who falls back on which, and which there are.
#include "config/tenants.h"
#include "kit.h"

using namespace impulse;
using namespace impulse::config;
using namespace impulse::config::test;

namespace {

class TenantsTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(TenantsTest);
  CPPUNIT_TEST(names);
  CPPUNIT_TEST(V16_V17_the_nearest_holds);
  CPPUNIT_TEST(all_that_are_named);
  CPPUNIT_TEST_SUITE_END();

  void names() {
    for (const std::string& name : {std::string("a"), std::string("Blue-2_x.y"), std::string(64, 'n'), std::string()})
      CPPUNIT_ASSERT_EQUAL(std::string(), mistakes("ESMTP_Listener { Tenant = \"" + name + "\" }\n"));
    for (const std::string& name : {std::string("a/b"), std::string("two words"), std::string("bl\xC3\xA4u"),
                                    std::string(65, 'n'), std::string("a:b"), std::string("a@b")}) {
      const std::string said = mistakes("\nESMTP_Listener { Tenant = \"" + name + "\" }\n");
      CPPUNIT_ASSERT_MESSAGE(
          said, said.find("test.conf:2:27: error: Tenant: expected a name of at most 64 letters") != std::string::npos);
    }
    CPPUNIT_ASSERT(mistakes("Tenant = a\n").find("Tenant may not stand in the global scope") != std::string::npos);
  }

  void V16_V17_the_nearest_holds() {
    const SnapshotPtr made = snapshot(R"(
ESMTP_Listener {
  Tenant = Above
  Listen "127.0.0.1:25" { }
  Listen "127.0.0.1:26" { Tenant = below  Peer 10.0.0.0/8 { Tenant = ten }  Peer 11.0.0.0/8 { Tenant = "" } }
  Listen "127.0.0.1:27" { Pathway = p }
}
Pathway p { Tenant = by-path }
)");
    const auto tenant = [&](const char* listen, const char* client) {
      return made->find_listen(ScopeKind::esmtp_listener, Endpoint::parse(listen).value())
          ->for_peer(IpAddress::parse(client).value())[key::tenant];
    };
    CPPUNIT_ASSERT_EQUAL(std::string("above"), tenant("127.0.0.1:25", "10.0.0.1"));
    CPPUNIT_ASSERT_EQUAL(std::string("below"), tenant("127.0.0.1:26", "192.0.2.1"));
    CPPUNIT_ASSERT_EQUAL(std::string("ten"), tenant("127.0.0.1:26", "10.0.0.1"));
    CPPUNIT_ASSERT_EQUAL(std::string(), tenant("127.0.0.1:26", "11.0.0.1"));
    CPPUNIT_ASSERT_EQUAL(std::string("by-path"), tenant("127.0.0.1:27", "192.0.2.1"));
  }

  void all_that_are_named() {
    CPPUNIT_ASSERT(tenant_names(*snapshot("ESMTP_Listener { Tenant = \"\" }\n")).empty());
    const SnapshotPtr made = snapshot(R"(
ESMTP_Listener { Tenant = A  Listen ":25" { Tenant = a  Peer 10.0.0.0/8 { Tenant = b } }  Peer 11.0.0.0/8 { Tenant = c } }
LMTP_Listener { Tenant = d }
Pathway p { Tenant = e }
Pathway_Group g { Tenant = f  Pathway q { Tenant = g } }
)");
    CPPUNIT_ASSERT(tenant_names(*made) == TenantNames({"a", "b", "c", "d", "e", "f", "g"}));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(TenantsTest);

}  // namespace
