/* The version of all programs: one number, shown by --version, /version and the build's packages. */
#ifndef WB_COMMON_BASE_VERSION_H
#define WB_COMMON_BASE_VERSION_H

#define WB_VERSION "0.1.0"

#endif
