#include "config/loader.h"
#include "kit.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>

using namespace kit;
using namespace impulse;

namespace {

class IncludeTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(IncludeTest);
  CPPUNIT_TEST(one_file);
  CPPUNIT_TEST(where_files_are_looked_for);
  CPPUNIT_TEST(in_any_scope);
  CPPUNIT_TEST(missing);
  CPPUNIT_TEST(unreadable);
  CPPUNIT_TEST(cycles);
  CPPUNIT_TEST(read_only);
  CPPUNIT_TEST(included_twice);
  CPPUNIT_TEST(directories);
  CPPUNIT_TEST(links_are_the_same_file);
  CPPUNIT_TEST(schemes);
  CPPUNIT_TEST(diagnostics_say_how_we_got_here);
  CPPUNIT_TEST(depth_and_amount_are_bounded);
  CPPUNIT_TEST(many_broken_files);
  CPPUNIT_TEST_SUITE_END();

  // A file system of names and contents.
  struct Files {
    std::map<std::string, std::string> content;
    std::map<std::string, int> reads;

    Loaded load(const std::string& path, std::vector<std::string> search_path = {}) {
      LoadOptions options;
      options.search_path = std::move(search_path);
      options.read_file = [this](const std::string& name) -> Result<std::string> {
        const auto at = content.find(name);
        if (at == content.end()) return fail(Errc::not_found, "{}: no such file", name);
        if (at->second == "(denied)") return fail(Errc::denied, "{}: permission denied", name);
        ++reads[name];
        return at->second;
      };
      return config::load(path, options);
    }
  };

  // The whole configuration, includes replaced by what they stand for.
  static std::string all(const Loaded& loaded, const std::vector<Node>& nodes) {
    std::string text;
    for (const Node& node : nodes) {
      if (!text.empty()) text += ' ';
      if (const auto* include = node.get_if<IncludeNode>()) {
        text += "<";
        for (const auto& tree : loaded.includes.at(include)) text += all(loaded, tree->nodes) + ">";
      } else if (const auto* scope = node.get_if<ScopeNode>()) {
        text += fmt::format("{}{{{}}}", scope->name, all(loaded, scope->body));
      } else {
        text += node.get<OptionNode>().name;
      }
    }
    return text;
  }
  static std::string all(const Loaded& loaded) { return all(loaded, loaded.trees.at(0)->nodes); }
  static void clean(const Loaded& loaded) { CPPUNIT_ASSERT_EQUAL(std::string(), rendered(loaded.diagnostics)); }
  static const Source& source_of(const Loaded& loaded, const std::string& name) {
    for (const auto& tree : loaded.trees)
      if (tree->source->name == name) return *tree->source;
    CPPUNIT_FAIL("no source " + name);
    throw 0;
  }

  void one_file() {
    Files files{{{"a.conf", "x = 1\n"}}, {}};
    const Loaded loaded = files.load("a.conf");
    clean(loaded);
    CPPUNIT_ASSERT_EQUAL(size_t{1}, loaded.trees.size());
    CPPUNIT_ASSERT_EQUAL(std::string("a.conf"), loaded.trees[0]->source->name);
    CPPUNIT_ASSERT(loaded.trees[0]->source->is_file && !loaded.trees[0]->source->readonly);

    const Loaded missing = files.load("b.conf");
    CPPUNIT_ASSERT_EQUAL(size_t{1}, missing.diagnostics.size());
    CPPUNIT_ASSERT_EQUAL(std::string("cannot read the configuration: b.conf: no such file"),
                         missing.diagnostics[0].headline());
    CPPUNIT_ASSERT_EQUAL(std::string("config-unreadable"), missing.diagnostics[0].id);
    CPPUNIT_ASSERT(missing.trees.at(0)->nodes.empty());
    CPPUNIT_ASSERT_EQUAL(std::string("b.conf"), missing.trees[0]->source->name);
  }
  void where_files_are_looked_for() {
    // Beside the including file first, then along the search path.
    Files files{{{"conf/main.conf", "include \"a.conf\" include 'sub/b.conf' include c.conf include \"/abs/d.conf\""},
                 {"conf/a.conf", "a = 1"},
                 {"global/a.conf", "wrong = 1"},
                 {"a.conf", "wrong = 1"},
                 {"conf/sub/b.conf", "include \"e.conf\""},
                 {"conf/sub/e.conf", "e = 1"},
                 {"conf/e.conf", "wrong = 1"},
                 {"global/c.conf", "c = 1"},
                 {"default/c.conf", "wrong = 1"},
                 {"/abs/d.conf", "include a.conf"},
                 {"/abs/a.conf", "da = 1"}},
                {}};
    const Loaded loaded = files.load("conf/main.conf", {"global", "default/"});
    clean(loaded);
    CPPUNIT_ASSERT_EQUAL(std::string("<a> <<e>> <c> <<da>>"), all(loaded));
    CPPUNIT_ASSERT_EQUAL(size_t{7}, loaded.trees.size());
    CPPUNIT_ASSERT_EQUAL(std::string("conf/main.conf"), loaded.trees[0]->source->name);
  }
  void in_any_scope() {
    Files files{
        {{"m", "A { B 'x' { include s y = 1 } } include t"}, {"s", "x = 1"}, {"t", "C { include u }"}, {"u", ""}}, {}};
    const Loaded loaded = files.load("m");
    clean(loaded);
    CPPUNIT_ASSERT_EQUAL(std::string("A{B{<x> y}} <C{<>}>"), all(loaded));
  }
  void missing() {
    Files files{{{"c/m", "a = 1\n  include \"no/such\"\nb = 2"}}, {}};
    const Loaded loaded = files.load("c/m", {"p", "/q"});
    CPPUNIT_ASSERT_EQUAL(size_t{1}, loaded.diagnostics.size());
    CPPUNIT_ASSERT_EQUAL(std::string("c/m:2:3: error: no such file or directory: 'no/such' [config-include-missing]\n"
                                     "    2 |   include \"no/such\"\n"
                                     "      |   ^~~~~~~\n"
                                     "looked for c/no/such, p/no/such, /q/no/such"),
                         loaded.diagnostics[0].render());
    CPPUNIT_ASSERT_EQUAL(std::string("a < b"), all(loaded));
  }
  void unreadable() {
    Files files{{{"m", "include x"}, {"x", "(denied)"}, {"p/x", "a = 1"}}, {}};
    const Loaded loaded = files.load("m", {"p"});
    CPPUNIT_ASSERT_EQUAL(size_t{1}, loaded.diagnostics.size());
    CPPUNIT_ASSERT_EQUAL(std::string("m:1:1: cannot include x: permission denied"), loaded.diagnostics[0].headline());
    CPPUNIT_ASSERT_EQUAL(std::string("config-include-unreadable"), loaded.diagnostics[0].id);
  }
  void cycles() {
    Files files{{{"m", "include d/a"}, {"d/a", "x = 1 include b"}, {"d/b", "A { include ../d/./a } y = 1"}}, {}};
    const Loaded loaded = files.load("m");
    CPPUNIT_ASSERT_EQUAL(size_t{1}, loaded.diagnostics.size());
    CPPUNIT_ASSERT_EQUAL(std::string("d/b:1:5: error: include cycle: d/a -> d/b -> d/../d/./a [config-include-cycle]\n"
                                     "    1 | A { include ../d/./a } y = 1\n"
                                     "      |     ^~~~~~~\n"
                                     "included from d/a:1:7\n"
                                     "included from m:1:1"),
                         loaded.diagnostics[0].render());
    CPPUNIT_ASSERT_EQUAL(std::string("<x <A{<} y>>"), all(loaded));
    files.content = {{"m", "include m"}};
    CPPUNIT_ASSERT_EQUAL(std::string("m:1:1: include cycle: m -> m"), files.load("m").diagnostics.at(0).headline());
  }
  void read_only() {
    Files files{{{"m", "readonly_include a include b"}, {"a", "include c"}, {"b", ""}, {"c", ""}}, {}};
    const Loaded loaded = files.load("m");
    clean(loaded);
    CPPUNIT_ASSERT(!source_of(loaded, "m").readonly);
    CPPUNIT_ASSERT(source_of(loaded, "a").readonly);
    CPPUNIT_ASSERT(!source_of(loaded, "b").readonly);
    // As in Momentum, what a read-only file includes with `include` can be written.
    CPPUNIT_ASSERT(!source_of(loaded, "c").readonly);
  }
  void included_twice() {
    Files files{
        {{"m", "A { include a } B { include ./a } include b"}, {"a", "x = 1 include c"}, {"b", ""}, {"c", "y = 1"}},
        {}};
    const Loaded loaded = files.load("m");
    clean(loaded);
    CPPUNIT_ASSERT_EQUAL(std::string("A{<x <y>>} B{<x <y>>} <>"), all(loaded));
    CPPUNIT_ASSERT(source_of(loaded, "a").readonly);
    CPPUNIT_ASSERT(source_of(loaded, "c").readonly);  // included twice by way of a
    CPPUNIT_ASSERT(!source_of(loaded, "b").readonly && !source_of(loaded, "m").readonly);
    CPPUNIT_ASSERT_EQUAL(size_t{4}, loaded.trees.size());
    CPPUNIT_ASSERT_EQUAL(1, files.reads["a"]);
    CPPUNIT_ASSERT_EQUAL(1, files.reads["c"]);
  }

  // A real folder, removed at the end.
  struct Folder {
    std::filesystem::path path;
    Folder() {
      char name[] = "/tmp/impulse-include-XXXXXX";
      CPPUNIT_ASSERT(mkdtemp(name) != nullptr);
      path = name;
    }
    ~Folder() { std::filesystem::remove_all(path); }
    void write(const std::string& name, const std::string& text) const {
      std::filesystem::create_directories((path / name).parent_path());
      std::ofstream(path / name) << text;
    }
    Loaded load(const std::string& name) const { return config::load((path / name).string(), {}); }
  };

  void directories() {
    const Folder folder;
    folder.write("m.conf", "A { include \"d\" }\ninclude empty");
    folder.write("d/20-b.conf", "b = 1");
    folder.write("d/10-a.conf", "a = 1");
    folder.write("d/.hidden", "hidden = 1");
    folder.write("d/9-c", "c = 1");
    folder.write("d/sub/x.conf", "sub = 1");
    CPPUNIT_ASSERT_EQUAL(0, ::mkfifo((folder.path / "d/fifo").c_str(), 0600));
    std::filesystem::create_directory(folder.path / "empty");
    const Loaded loaded = folder.load("m.conf");
    clean(loaded);
    CPPUNIT_ASSERT_EQUAL(std::string("A{<a>b>c>} <"), all(loaded));
    CPPUNIT_ASSERT(!source_of(loaded, (folder.path / "d/9-c").string()).readonly);

    // A folder that holds the file that includes it.
    folder.write("d/20-b.conf", "include .");
    const Loaded cycle = folder.load("m.conf");
    CPPUNIT_ASSERT_EQUAL(size_t{1}, cycle.diagnostics.size());
    CPPUNIT_ASSERT_EQUAL(std::string("config-include-cycle"), cycle.diagnostics[0].id);
    // A link that leads nowhere is an error, not overlooked.
    folder.write("d/20-b.conf", "");
    std::filesystem::create_symlink("nowhere", folder.path / "d/30-link.conf");
    CPPUNIT_ASSERT_EQUAL(std::string("config-include-unreadable"), folder.load("m.conf").diagnostics.at(0).id);
    CPPUNIT_ASSERT_EQUAL(std::string("config-unreadable"), folder.load("d").diagnostics.at(0).id);
    CPPUNIT_ASSERT_EQUAL(std::string("config-unreadable"), folder.load("d/fifo").diagnostics.at(0).id);
  }
  void links_are_the_same_file() {
    const Folder folder;
    folder.write("m.conf", "include a.conf\ninclude b.conf");
    folder.write("a.conf", "x = 1");
    std::filesystem::create_symlink("a.conf", folder.path / "b.conf");
    const Loaded loaded = folder.load("m.conf");
    clean(loaded);
    CPPUNIT_ASSERT_EQUAL(size_t{2}, loaded.trees.size());
    CPPUNIT_ASSERT(loaded.trees[1]->source->readonly);
    std::filesystem::remove(folder.path / "b.conf");
    std::filesystem::create_symlink("m.conf", folder.path / "b.conf");
    CPPUNIT_ASSERT_EQUAL(std::string("config-include-cycle"), folder.load("m.conf").diagnostics.at(0).id);
  }
  void schemes() {
    Files files{{{"m", "include \"file:///x\"\ninclude \"persist://h/x\"\ninclude \"a/b://c\""},
                 {"/x", "x = 1"},
                 {"a/b://c", "c = 1"}},
                {}};
    const Loaded loaded = files.load("m");
    CPPUNIT_ASSERT_EQUAL(size_t{1}, loaded.diagnostics.size());
    CPPUNIT_ASSERT_EQUAL(std::string("m:2:1: cannot include 'persist://h/x': only files can be included"),
                         loaded.diagnostics[0].headline());
    CPPUNIT_ASSERT_EQUAL(std::string("<x> < <c>"), all(loaded));
  }
  void diagnostics_say_how_we_got_here() {
    Files files{{{"m", "\ninclude a"}, {"a", "A {\n  include b\n}"}, {"b", "x = 1\ny z w"}}, {}};
    const Loaded loaded = files.load("m");
    CPPUNIT_ASSERT_EQUAL(size_t{1}, loaded.diagnostics.size());
    CPPUNIT_ASSERT_EQUAL(std::string("b:2:5: error: expected '{' behind y z, found 'w' [config-syntax]\n"
                                     "    2 | y z w\n"
                                     "      |     ^\n"
                                     "included from a:2:3\n"
                                     "included from m:2:1"),
                         loaded.diagnostics[0].render());
  }
  void depth_and_amount_are_bounded() {
    Files files;
    for (int i = 0; i < 200; ++i) files.content[fmt::format("f{}", i)] = fmt::format("include f{}", i + 1);
    files.content["f200"] = "x = 1";
    const Loaded deep = files.load("f0");
    CPPUNIT_ASSERT_EQUAL(size_t{1}, deep.diagnostics.size());
    CPPUNIT_ASSERT_EQUAL(std::string("config-nesting"), deep.diagnostics[0].id);

    // Ten inclusions of the next, 30 levels of it.
    files.content.clear();
    for (int i = 0; i < 30; ++i) {
      std::string& text = files.content[fmt::format("f{}", i)];
      for (int n = 0; n < 10; ++n) text += fmt::format("include f{}\n", i + 1);
    }
    files.content["f30"] = "x = 1";
    const Loaded wide = files.load("f0");
    CPPUNIT_ASSERT_EQUAL(size_t{1}, wide.diagnostics.size());
    CPPUNIT_ASSERT_EQUAL(std::string("config-include-limit"), wide.diagnostics[0].id);
    for (const auto& [include, trees] : wide.includes) CPPUNIT_ASSERT(trees.empty());
  }
  void many_broken_files() {
    Files files;
    for (int i = 0; i < 500; ++i) {
      files.content["m"] += fmt::format("include f{}\n", i);
      files.content[fmt::format("f{}", i)] = "a b c\nd e f\n";
    }
    const Loaded loaded = files.load("m");
    CPPUNIT_ASSERT(loaded.diagnostics.size() <= 102);
    CPPUNIT_ASSERT_EQUAL(std::string("config-too-many"), loaded.diagnostics.back().id);
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(IncludeTest);

}  // namespace
