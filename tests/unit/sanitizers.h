/* Which sanitizer watches: WB_TEST_ASAN and WB_TEST_TSAN are 0 or 1, WB_TEST_SANITIZED is either. */
#ifndef WB_TESTS_UNIT_SANITIZERS_H
#define WB_TESTS_UNIT_SANITIZERS_H

#if defined(__SANITIZE_ADDRESS__)
#define WB_TEST_ASAN 1
#elif defined(__SANITIZE_THREAD__)
#define WB_TEST_TSAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WB_TEST_ASAN 1
#elif __has_feature(thread_sanitizer)
#define WB_TEST_TSAN 1
#endif
#endif
#ifndef WB_TEST_ASAN
#define WB_TEST_ASAN 0
#endif
#ifndef WB_TEST_TSAN
#define WB_TEST_TSAN 0
#endif
#define WB_TEST_SANITIZED (WB_TEST_ASAN || WB_TEST_TSAN)

#endif
