// SPDX-License-Identifier: Apache-2.0
#include "i2crc/weights/pickle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "i2crc/core/error.h"
#include "support/torch_file_builder.h"

namespace i2crc {
namespace {

using i2crc::testing::PickleEmitter;
using Kind = Pickle::Kind;
using namespace std::string_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using ::testing::ThrowsMessage;

Pickle Parse(const std::string& text) {
  return Pickle({reinterpret_cast<const uint8_t*>(text.data()), text.size()}, "x.pth");
}

// The value as Python would print it.
std::string Show(const Pickle& pickle, const Pickle::Node& node) {
  std::string items;
  for (size_t i = 0; i < node.items.size(); ++i)
    items += (i == 0 ? "" : ",") + Show(pickle, pickle.at(node.items[i]));
  switch (node.kind) {
    case Kind::kNone:
      return "None";
    case Kind::kBool:
      return node.integer != 0 ? "True" : "False";
    case Kind::kInt:
      return std::to_string(node.integer);
    case Kind::kLong:
      return fmt::format("long{}", node.text.size());
    case Kind::kFloat:
      return fmt::format("{}", node.real);
    case Kind::kText:
      return "'" + node.text + "'";
    case Kind::kBytes:
      return "b'" + node.text + "'";
    case Kind::kTuple:
      return "(" + items + ")";
    case Kind::kList:
      return "[" + items + "]";
    case Kind::kSet:
      return "set(" + items + ")";
    case Kind::kDict:
      return "{" + items + "}";
    case Kind::kGlobal:
      return node.text;
    case Kind::kPersistent:
      return "<" + items + ">";
    case Kind::kCall:
      return node.text + "(" + items + ")";
  }
  return "?";
}

std::string Value(const std::string& text) {
  const Pickle pickle = Parse(text);
  EXPECT_EQ(pickle.size(), text.size());
  return Show(pickle, pickle.root());
}

// What CPython 3.11 writes for one and the same value in every protocol:
// [None, True, False, 7, 300, 70000, -5, 2**40, -2**70, 1.5, {'k': (1, 2), 'l': (1, 2, 3, 4)}, (),
// (1,), [[]]]
TEST(Pickle, EveryBinaryProtocolOfPython) {
  const std::string expected =
      "[None,True,False,7,300,70000,-5,1099511627776,long9,1.5,{'k',(1,2),'l',(1,2,3,4)},(),(1),[[]"
      "]]";
  EXPECT_EQ(
      Value("\x80\x02]q\x00(N\x88\x89K\x07M\x2c\x01Jp\x11\x01\x00J\xfb\xff\xff\xff\x8a\x06\x00"
            "\x00\x00\x00\x00\x01\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\xc0G?\xf8\x00\x00\x00"
            "\x00\x00\x00}q\x01(X\x01\x00\x00\x00kq\x02K\x01K\x02\x86q\x03X\x01\x00\x00\x00lq"
            "\x04(K\x01K\x02K\x03K\x04tq\x05u)K\x01\x85q\x06]q\x07]q\x08"
            "ae."s),
      expected);
  EXPECT_EQ(
      Value("\x80\x04\x95Z\x00\x00\x00\x00\x00\x00\x00]\x94(N\x88\x89K\x07M\x2c\x01Jp\x11\x01"
            "\x00J\xfb\xff\xff\xff\x8a\x06\x00\x00\x00\x00\x00\x01\x8a\x09\x00\x00\x00\x00\x00"
            "\x00\x00\x00\xc0G?\xf8\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01k\x94K\x01K\x02\x86"
            "\x94\x8c\x01l\x94(K\x01K\x02K\x03K\x04t\x94u)K\x01\x85\x94]\x94]\x94"
            "ae."s),
      expected);
}

TEST(Pickle, TextNumbersOfProtocols0And1) {
  EXPECT_EQ(Value("(I7\nI01\nI00\nL-5L\nL1099511627776L\nF1.5\ntp0\n."),
            "(7,True,False,-5,1099511627776,1.5)");
  EXPECT_EQ(Value("]q\x00(NI01\nI00\nK\x07L-1180591620717411303424L\n)(K\x01tq\x06"
                  "e."s),
            "[None,True,False,7,long9,(),(1)]");
  EXPECT_EQ(Parse("L-1180591620717411303424L\n.").root().text, "\0\0\0\0\0\0\0\0\xc0"s);
  EXPECT_EQ(Value("L-9223372036854775808L\n."), "-9223372036854775808");
  EXPECT_EQ(Value("L9223372036854775807L\n."), "9223372036854775807");
  EXPECT_EQ(Value("L9223372036854775808L\n."), "long9");
  const Pickle magic = Parse("L119547037146038801333356L\n.");
  EXPECT_EQ(magic.root().kind, Kind::kLong);
  EXPECT_EQ(magic.root().text, "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19");
}

TEST(Pickle, OpcodesForSharingAndSets) {
  EXPECT_EQ(Value("]q\x05K\x01"
                  "ah\x05\x86."),
            "([1],[1])");
  EXPECT_EQ(Value("]2\x86."), "([],[])");
  EXPECT_EQ(Value("K\x01(K\x02K\x03"
                  "1."),
            "1");                           // POP_MARK
  EXPECT_EQ(Value("K\x01K\x02(00."), "1");  // POP takes a mark, then a value
  EXPECT_EQ(Value("K\x01r\x00\x01\x00\x00j\x00\x01\x00\x00\x86."s), "(1,1)");
  EXPECT_EQ(Value("(K\x01lp0\ng0\n\x86."), "([1],[1])");
  EXPECT_EQ(Value("(K\x01K\x02"
                  "d."),
            "{1,2}");
  EXPECT_EQ(Value("\x80\x04\x8f(K\x01\x90."), "set(1)");
  EXPECT_EQ(Value("\x80\x04(K\x01\x91."), "set(1)");
  EXPECT_EQ(Value("\x80\x03(C\x01"
                  "aB\x01\x00\x00\x00"
                  "bt."s),
            "(b'a',b'b')");
  EXPECT_EQ(Value("(U\x01"
                  "aT\x01\x00\x00\x00"
                  "bt."s),
            "('a','b')");
  EXPECT_EQ(Value("\x80\x05\x96\x01\x00\x00\x00\x00\x00\x00\x00z."s), "b'z'");
  EXPECT_EQ(Value("\x80\x04\x8d\x01\x00\x00\x00\x00\x00\x00\x00z."s), "'z'");
}

TEST(Pickle, CallsStayDescriptions) {
  EXPECT_EQ(Value("ctorch\nFloatStorage\n."), "torch.FloatStorage");
  EXPECT_EQ(Value("ctorch\ndevice\nX\x03\x00\x00\x00"
                  "cpu\x85R."s),
            "torch.device('cpu')");
  EXPECT_EQ(Value("\x80\x04\x8c\x0b"
                  "collections\x8c\x0bOrderedDict\x93)R."),
            "{}");
  EXPECT_EQ(Value("ccollections\nOrderedDict\n]]K\x01"
                  "aK\x02"
                  "aa\x85R."),
            "{1,2}");  // Python 2
  EXPECT_EQ(Value("ctorch\nSize\nK\x02K\x03\x86\x85R."), "(2,3)");
  EXPECT_EQ(Value("ctorch._utils\n_rebuild_parameter\nK\x07\x88)\x87R."), "7");
  EXPECT_EQ(Value("ctorch.jit._pickle\nrestore_type_tag\n}U\x01"
                  "d\x86R."),
            "{}");
  EXPECT_EQ(Value("c__builtin__\nset\n]K\x01"
                  "a\x85R."),
            "__builtin__.set([1])");
  EXPECT_EQ(Value("ccollections\nOrderedDict\n)R}X\x09\x00\x00\x00_metadataNsb."s), "{}");
}

TEST(Pickle, ForbiddenGlobalsAreNamedAndNothingIsDone) {
  const auto message = [](const std::string& global) {
    return ThrowsMessage<Error>(AllOf(StartsWith("x.pth: "), HasSubstr("names '" + global + "'"),
                                      HasSubstr("nothing was executed")));
  };
  EXPECT_THAT([] { Parse("cos\nsystem\nX\x04\x00\x00\x00true\x85R."s); }, message("os.system"));
  EXPECT_THAT([] { Parse("\x80\x04\x8c\x05posix\x8c\x06system\x93."); }, message("posix.system"));
  for (const char* global :
       {"builtins\neval", "__builtin__\nexec", "builtins\ngetattr",
        "torch.storage\n_load_from_bytes", "torch\nload", "torch.storage\nUntypedStorage",
        "torch.storage\nTypedStorage", "torch\nComplexFloatStorage",
        "torch._utils\n_rebuild_tensor_v3", "numpy.core.multiarray\n_reconstruct",
        "torch\n_utils._rebuild_tensor_v2", "\n", "collections\nOrderedDict.update"}) {
    EXPECT_THAT([&] { Parse("c"s + global + "\n."); },
                ThrowsMessage<Error>(HasSubstr("which no state dict needs")))
        << global;
  }
}

TEST(Pickle, DamageIsToldWithItsPlace) {
  const std::pair<std::string, const char*> damages[] = {
      {"", "ends too early"},
      {"K", "ends too early"},
      {"K\x01", "ends too early (at byte 2)"},
      {".", "a value is missing"},
      {"K\x01K\x02.", "left over"},
      {"(K\x01.", "left over"},
      {"(.", "a value is missing"},
      {"K\x01(0K\x02.", "left over"},
      {"t.", "a mark is missing"},
      {"K\x01\x86.", "a value is missing"},
      {"K\x01(\x85.", "a value is missing"},  // not across a mark
      {"h\x09.", "the value 9 is not remembered"},
      {"g-1\n.", "not remembered"},
      {"g1x\n.", "the number '1x'"},
      {"I1", "ends too early"},
      {"Iabc\n.", "the number 'abc'"},
      {"F1.5x\n.", "the number '1.5x'"},
      {"L1234567890123456789a1234L\n.", "the integer"},
      {"L" + std::string(5000, '9') + "L\n.", "the integer"},
      {"}K\x01s.", "a value is missing"},
      {"}(K\x01u.", "a key without its value"},
      {"(K\x01"
       "d.",
       "a key without its value"},
      {"]K\x01K\x02s.", "items for a value that holds none"},
      {"}K\x01"
       "a.",
       "items for a value that holds none"},
      {"K\x01K\x02"
       "b.",
       "attributes for a plain value"},
      {"K\x01)R.", "a call of what is no function"},
      {"ctorch\nSize\nK\x01R.", "a call of what is no function"},
      {"ctorch\nSize\n)R.", "torch.Size of something else"},
      {"ctorch\nFloatStorage\n)R.", "a call of torch.FloatStorage"},
      {"ctorch._utils\n_rebuild_parameter\n)R.",
       "a call of torch._utils._rebuild_parameter without a value"},
      {"ccollections\nOrderedDict\nK\x01\x85R.", "a dictionary of what is no list"},
      {"ccollections\nOrderedDict\n]K\x01"
       "a\x85R.",
       "no pair"},
      {"\x80\x09N.", "protocol 9"},
      {"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xffN.", "ends too early"},
      {"X\xff\xff\xff\xff.", "ends too early"},
      {"\x8d\xff\xff\xff\xff\xff\xff\xff\xff.", "ends too early"},
      {"\x8b\xff\xff\xff\xff.", "an integer of -1 bytes"},
      {"\x8b\xff\xff\xff\x7f.", "an integer of 2147483647 bytes"},
      {"S'text'\n.", "the opcode 0x53"},
      {"V\n.", "the opcode 0x56"},
      {"P1\n.", "the opcode 0x50"},
      {"(ios\nsystem\n.", "the opcode 0x69"},
      {"\x82\x01.", "the opcode 0x82"},
      {"\x97.", "the opcode 0x97"},
      {"\xff.", "the opcode 0xff"},
  };
  for (const auto& damage : damages)
    EXPECT_THAT([&] { Parse(damage.first); },
                ThrowsMessage<Error>(AllOf(StartsWith("x.pth: "), HasSubstr(damage.second))))
        << damage.second;
}

TEST(Pickle, BombsMeetALimit) {
  const auto expect = [](const std::string& bytes, const char* message) {
    EXPECT_THAT([&] { Parse(bytes); }, ThrowsMessage<Error>(HasSubstr(message)));
  };
  expect(std::string(5000, '('), "nested deeper than 1000 levels");
  expect(std::string(3'000'000, ']'), "more than 1000000 objects");
  expect("N" + std::string(3'000'000, '2'), "piles up too many values");
  expect("N" + std::string(3'000'000, '\x94'), "remembers too many values");
  // One long list copied into dictionaries again and again: six bytes a copy.
  std::string copies = "ccollections\nOrderedDict\nq\x00]q\x01("s;
  for (int i = 0; i < 10000; ++i) copies += "NN\x86";
  copies += "e";
  for (int i = 0; i < 10000; ++i) copies += "h\x00h\x01\x85R0"s;
  expect(copies, "more than 1000000 objects");
  std::string deep = ")";
  deep += std::string(500'000, '\x85') + ".";
  EXPECT_NO_THROW(Parse(deep));  // deep, but small: neither reading nor freeing it recurses
  EXPECT_NO_THROW(
      Parse("]q\x00h\x00"
            "a."s));  // a list that holds itself
}

TEST(Pickle, EveryTruncationOfACheckpointIsAnError) {
  PickleEmitter emitter;
  const std::string whole = emitter.OrderedDict()
                                .Mark()
                                .Text("a")
                                .IntTuple({1, 2, 3, 4})
                                .Text("b")
                                .Float(0.5)
                                .SetItems()
                                .Finish();
  EXPECT_EQ(Value(whole), "{'a',(1,2,3,4),'b',0.5}");
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_THROW(Parse(whole.substr(0, size)), Error) << size;
}

TEST(Pickle, WhatFollowsTheStopIsNotRead) { EXPECT_EQ(Parse("N.garbage").size(), 2u); }

}  // namespace
}  // namespace i2crc
