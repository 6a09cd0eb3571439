"""A C++ program around a function or a `Solution` method: it reads arguments as JSON, calls, and writes the result as JSON.

The types are the function's own, read off its signature: bool, char, integers, floating point, string, vector, pair,
map and set, nested at will. What the program prints goes to stderr, so that stdout holds the result alone.

What is not covered: overloaded and template functions, pointers (lists and trees), parameters by rvalue reference.
"""

import json
import re

_SOLUTION = re.compile(r"\b(?:class|struct)\s+Solution\b")

_BEFORE = r"""
#include <bits/stdc++.h>
#include <unistd.h>
namespace r1_call {
int out = -1;
__attribute__((constructor(101))) void redirect() { out = dup(1); dup2(2, 1); }
}
using namespace std;
#define main r1_other_main
"""

_AFTER = r"""
#undef main
namespace r1_call {
struct Bad {};
struct Reader {
  std::string text; size_t at = 0;
  void space() { while (at < text.size() && strchr(" \t\r\n", text[at])) at++; }
  bool take(char c) { space(); if (at < text.size() && text[at] == c) { at++; return true; } return false; }
  void need(char c) { if (!take(c)) throw Bad(); }
  void need(const char* word) { space(); size_t n = strlen(word); if (text.compare(at, n, word)) throw Bad(); at += n; }
  std::string number() {
    space(); size_t from = at;
    while (at < text.size() && strchr("+-.0123456789eE", text[at])) at++;
    if (from == at) throw Bad();
    return text.substr(from, at - from);
  }
  std::string quoted() {
    need('"'); std::string made;
    while (true) {
      if (at >= text.size()) throw Bad();
      char c = text[at++];
      if (c == '"') return made;
      if (c != '\\') { made += c; continue; }
      c = text[at++];
      switch (c) {
        case 'n': made += '\n'; break; case 't': made += '\t'; break; case 'r': made += '\r'; break;
        case 'b': made += '\b'; break; case 'f': made += '\f'; break;
        case 'u': { made += (char)std::stoi(text.substr(at, 4), nullptr, 16); at += 4; break; }
        default: made += c;
      }
    }
  }
};
template <class T> struct Type;
template <class F> void items(Reader& r, F each) {
  r.need('['); if (r.take(']')) return;
  do each(); while (r.take(','));
  r.need(']');
}
void put_text(std::string& o, const std::string& s) {
  static const char* hex = "0123456789abcdef";
  o += '"';
  for (unsigned char c : s)
    if (c == '"' || c == '\\') { o += '\\'; o += c; }
    else if (c < 32) { o += "\\u00"; o += hex[c >> 4]; o += hex[c & 15]; }
    else o += c;
  o += '"';
}
template <class C> void put_list(std::string& o, const C& c) {
  o += '['; bool first = true;
  for (const auto& x : c) {
    if (!first) o += ',';
    first = false; Type<typename C::value_type>::put(o, x);
  }
  o += ']';
}
template <class T> struct Type {
  static_assert(std::is_arithmetic<T>::value, "r1 does not know this type of argument or result");
  static T get(Reader& r) {
    std::string n = r.number();
    if (std::is_floating_point<T>::value) return (T)std::stold(n);
    if (n.find_first_of(".eE") != std::string::npos) throw Bad();
    if (std::is_unsigned<T>::value) return (T)std::stoull(n);
    long long whole = std::stoll(n);
    if ((long long)(T)whole != whole) throw Bad();
    return (T)whole;
  }
  static void put(std::string& o, const T& v) {
    if (std::is_floating_point<T>::value) {
      double d = (double)v;
      if (std::isnan(d)) { o += "{\"float\":\"nan\"}"; return; }
      if (std::isinf(d)) { o += d > 0 ? "{\"float\":\"inf\"}" : "{\"float\":\"-inf\"}"; return; }
      char buffer[64]; snprintf(buffer, sizeof buffer, "%.17g", d);
      o += buffer;
      if (!strpbrk(buffer, ".e")) o += ".0";
    } else o += std::to_string(v);
  }
};
template <> struct Type<bool> {
  static bool get(Reader& r) { r.space(); if (r.text[r.at] == 't') { r.need("true"); return true; } r.need("false"); return false; }
  static void put(std::string& o, bool v) { o += v ? "true" : "false"; }
};
template <> struct Type<char> {
  static char get(Reader& r) { std::string s = r.quoted(); if (s.size() != 1) throw Bad(); return s[0]; }
  static void put(std::string& o, char v) { put_text(o, std::string(1, v)); }
};
template <> struct Type<std::string> {
  static std::string get(Reader& r) { return r.quoted(); }
  static void put(std::string& o, const std::string& v) { put_text(o, v); }
};
template <class T> struct Type<std::vector<T>> {
  static std::vector<T> get(Reader& r) { std::vector<T> v; items(r, [&] { v.push_back(Type<T>::get(r)); }); return v; }
  static void put(std::string& o, const std::vector<T>& v) {
    o += '[';
    for (size_t i = 0; i < v.size(); i++) { if (i) o += ','; Type<T>::put(o, v[i]); }
    o += ']';
  }
};
template <class A, class B> struct Type<std::pair<A, B>> {
  static std::pair<A, B> get(Reader& r) {
    std::pair<A, B> p; r.need('['); p.first = Type<A>::get(r); r.need(','); p.second = Type<B>::get(r); r.need(']');
    return p;
  }
  static void put(std::string& o, const std::pair<A, B>& p) {
    o += '['; Type<A>::put(o, p.first); o += ','; Type<B>::put(o, p.second); o += ']';
  }
};
template <class M, class K, class V> struct Mapped {
  static M get(Reader& r) {
    M m; r.need('{'); r.need("\"dict\""); r.need(':');
    items(r, [&] { auto p = Type<std::pair<K, V>>::get(r); m.insert(p); });
    r.need('}'); return m;
  }
  static void put(std::string& o, const M& m) {
    o += "{\"dict\":["; bool first = true;
    for (const auto& p : m) { if (!first) o += ','; first = false; Type<std::pair<K, V>>::put(o, {p.first, p.second}); }
    o += "]}";
  }
};
template <class S, class K> struct Membered {
  static S get(Reader& r) {
    S s; r.need('{'); r.need("\"set\""); r.need(':'); items(r, [&] { s.insert(Type<K>::get(r)); }); r.need('}');
    return s;
  }
  static void put(std::string& o, const S& s) { o += "{\"set\":"; put_list(o, s); o += '}'; }
};
template <class K, class V> struct Type<std::map<K, V>> : Mapped<std::map<K, V>, K, V> {};
template <class K, class V> struct Type<std::unordered_map<K, V>> : Mapped<std::unordered_map<K, V>, K, V> {};
template <class K> struct Type<std::set<K>> : Membered<std::set<K>, K> {};
template <class K> struct Type<std::unordered_set<K>> : Membered<std::unordered_set<K>, K> {};

template <class R, class... A, class F> std::string call(Reader& r, F f) {
  bool first = true;
  auto next = [&](auto kind) {
    if (!first) r.need(',');
    first = false; return Type<typename decltype(kind)::type>::get(r);
  };
  struct Wrap {};
  r.need('[');
  std::tuple<typename std::decay<A>::type...> given{next(std::common_type<typename std::decay<A>::type>{})...};
  r.need(']'); r.space();
  if (r.at != r.text.size()) throw Bad();
  std::string made;
  if constexpr (std::is_void<R>::value) { std::apply(f, given); made = "null"; }
  else Type<typename std::decay<R>::type>::put(made, std::apply(f, given));
  return made;
}
template <class R, class... A> std::string any(Reader& r, R (*f)(A...)) { return call<R, A...>(r, f); }
template <class C, class R, class... A> std::string any(Reader& r, R (C::*f)(A...)) {
  C object{}; return call<R, A...>(r, [&](auto&... a) -> R { return (object.*f)(a...); });
}
template <class C, class R, class... A> std::string any(Reader& r, R (C::*f)(A...) const) {
  C object{}; return call<R, A...>(r, [&](auto&... a) -> R { return (object.*f)(a...); });
}
}
int main() {
  r1_call::Reader reader;
  { std::stringstream all; all << std::cin.rdbuf(); reader.text = all.str(); }
  std::string made;
  try { made = r1_call::any(reader, &FUNCTION); }
  catch (const r1_call::Bad&) { fputs("TypeError: the arguments don't fit the parameters\n", stderr); return 101; }
  for (size_t at = 0; at < made.size();) {
    ssize_t n = write(r1_call::out, made.data() + at, made.size() - at);
    if (n <= 0) return 1;
    at += n;
  }
  _exit(0);
}
"""


def wrap(code: str, fn_name: str) -> str:
    """The whole program. Line numbers in the compiler's messages are those of `code`."""
    owner, _, name = fn_name.rpartition(".")
    if not owner and _SOLUTION.search(code):
        owner = "Solution"
    function = f"{owner}::{name}" if owner else name
    return f'{_BEFORE}#line 1 "main.cpp"\n{code}\n{_AFTER.replace("FUNCTION", function)}'


def arguments(tagged: str) -> str:
    """plain.py's text with its letters as they are, which the program above reads."""
    return json.dumps(json.loads(tagged), ensure_ascii=False, separators=(",", ":"))
