/*
 * The part of libhdf5's interface that this package uses, declared here because
 * the library comes without headers. Versions 1.14 and 2.0 agree on all of it.
 */
#ifndef OPENRETINA_LIBHDF5_H
#define OPENRETINA_LIBHDF5_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef int64_t hid_t;
typedef int herr_t;
typedef int htri_t;
typedef uint64_t hsize_t;
typedef uint64_t haddr_t;

enum { H5P_DEFAULT = 0, H5S_ALL = 0, H5E_DEFAULT = 0 };
enum { H5F_ACC_RDONLY = 0, H5F_ACC_EXCL = 4 };
enum { H5F_CLOSE_STRONG = 3, H5F_LIBVER_EARLIEST = 0, H5F_LIBVER_V110 = 2 };
enum { H5_INDEX_NAME = 0, H5_INDEX_CRT_ORDER = 1, H5_ITER_INC = 0 };
enum { H5I_FILE = 1, H5I_GROUP = 2, H5I_DATATYPE = 3, H5I_DATASET = 5 };
enum { H5L_TYPE_HARD = 0, H5L_TYPE_SOFT = 1, H5L_TYPE_EXTERNAL = 64 };
enum { H5T_INTEGER = 0, H5T_FLOAT = 1, H5T_STRING = 3, H5T_ENUM = 8 };
enum { H5T_SGN_NONE = 0, H5T_CSET_UTF8 = 1 };
enum { H5S_SCALAR = 0, H5S_SIMPLE = 1, H5S_SELECT_SET = 0 };
enum { H5D_COMPACT = 0, H5D_CONTIGUOUS = 1, H5D_CHUNKED = 2 };
enum { H5Z_FILTER_DEFLATE = 1, H5Z_FILTER_SHUFFLE = 2, H5Z_FILTER_FLETCHER32 = 3 };
enum { H5P_CRT_ORDER_TRACKED = 1 };
enum { H5E_WALK_UPWARD = 0 };
enum { OR_MAX_RANK = 32 };
#define OR_H5T_VARIABLE ((size_t)-1)
#define OR_HADDR_UNDEF ((haddr_t)-1)

typedef struct {
    int type;
    bool corder_valid;
    int64_t corder;
    int cset;
    union {
        uint8_t token[16];
        size_t val_size;
    } u;
} H5L_info2_t;

typedef struct {
    hid_t cls_id, maj_num, min_num;
    unsigned line;
    const char *func_name, *file_name, *desc;
} H5E_error2_t;

typedef herr_t (*H5L_iterate2_t)(hid_t group, const char *name, const H5L_info2_t *info, void *data);
typedef herr_t (*H5A_operator2_t)(hid_t object, const char *name, const void *info, void *data);
typedef int (*H5D_chunk_iter_op_t)(const hsize_t *offset, unsigned filter_mask, haddr_t addr, hsize_t size, void *data);
typedef herr_t (*H5E_walk2_t)(unsigned n, const H5E_error2_t *error, void *data);

herr_t H5open(void);
herr_t H5get_libversion(unsigned *major, unsigned *minor, unsigned *release);
herr_t H5PLset_loading_state(unsigned mask);

herr_t H5Eset_auto2(hid_t stack, void *func, void *data);
herr_t H5Ewalk2(hid_t stack, int direction, H5E_walk2_t func, void *data);
herr_t H5Eclear2(hid_t stack);

hid_t H5Fopen(const char *name, unsigned flags, hid_t fapl);
hid_t H5Fcreate(const char *name, unsigned flags, hid_t fcpl, hid_t fapl);
herr_t H5Fflush(hid_t object, int scope);
herr_t H5Fclose(hid_t file);
ssize_t H5Fget_file_image(hid_t file, void *buffer, size_t length);

hid_t H5Oopen(hid_t location, const char *name, hid_t lapl);
herr_t H5Oclose(hid_t object);
int H5Iget_type(hid_t id);

herr_t H5Lget_info2(hid_t location, const char *name, H5L_info2_t *info, hid_t lapl);
htri_t H5Lexists(hid_t location, const char *name, hid_t lapl);
herr_t H5Literate2(hid_t group, int index, int order, hsize_t *at, H5L_iterate2_t func, void *data);
hid_t H5Gget_create_plist(hid_t group);
hid_t H5Gcreate2(hid_t location, const char *name, hid_t lcpl, hid_t gcpl, hid_t gapl);

hid_t H5Dopen2(hid_t location, const char *name, hid_t dapl);
hid_t H5Dget_type(hid_t dataset);
hid_t H5Dget_space(hid_t dataset);
hid_t H5Dget_create_plist(hid_t dataset);
hsize_t H5Dget_storage_size(hid_t dataset);
haddr_t H5Dget_offset(hid_t dataset);
herr_t H5Dchunk_iter(hid_t dataset, hid_t dxpl, H5D_chunk_iter_op_t func, void *data);
herr_t H5Dread(hid_t dataset, hid_t type, hid_t memory, hid_t space, hid_t dxpl, void *buffer);
herr_t H5Dwrite(hid_t dataset, hid_t type, hid_t memory, hid_t space, hid_t dxpl, const void *buffer);
hid_t H5Dcreate2(hid_t location, const char *name, hid_t type, hid_t space, hid_t lcpl, hid_t dcpl, hid_t dapl);
herr_t H5Dvlen_get_buf_size(hid_t dataset, hid_t type, hid_t space, hsize_t *size);
herr_t H5Treclaim(hid_t type, hid_t space, hid_t dxpl, void *buffer);

herr_t H5Aiterate2(hid_t object, int index, int order, hsize_t *at, H5A_operator2_t func, void *data);
htri_t H5Aexists(hid_t object, const char *name);
hid_t H5Aopen(hid_t object, const char *name, hid_t aapl);
hid_t H5Aget_type(hid_t attribute);
hid_t H5Aget_space(hid_t attribute);
herr_t H5Aread(hid_t attribute, hid_t type, void *buffer);
hid_t H5Acreate2(hid_t object, const char *name, hid_t type, hid_t space, hid_t acpl, hid_t aapl);
herr_t H5Awrite(hid_t attribute, hid_t type, const void *buffer);
herr_t H5Aclose(hid_t attribute);

int H5Tget_class(hid_t type);
size_t H5Tget_size(hid_t type);
int H5Tget_sign(hid_t type);
int H5Tget_cset(hid_t type);
htri_t H5Tis_variable_str(hid_t type);
hid_t H5Tcopy(hid_t type);
herr_t H5Tset_size(hid_t type, size_t size);
herr_t H5Tset_cset(hid_t type, int cset);
herr_t H5Tclose(hid_t type);

int H5Sget_simple_extent_type(hid_t space);
int H5Sget_simple_extent_ndims(hid_t space);
int H5Sget_simple_extent_dims(hid_t space, hsize_t *dims, hsize_t *max);
hid_t H5Screate(int type);
hid_t H5Screate_simple(int rank, const hsize_t *dims, const hsize_t *max);
herr_t H5Sselect_hyperslab(hid_t space, int op, const hsize_t *start, const hsize_t *stride, const hsize_t *count,
                           const hsize_t *block);
herr_t H5Sclose(hid_t space);

hid_t H5Pcreate(hid_t cls);
herr_t H5Pclose(hid_t plist);
herr_t H5Pset_fapl_sec2(hid_t fapl);
herr_t H5Pset_fapl_core(hid_t fapl, size_t increment, bool backing_store);
herr_t H5Pset_fclose_degree(hid_t fapl, int degree);
herr_t H5Pset_libver_bounds(hid_t fapl, int low, int high);
herr_t H5Pset_obj_track_times(hid_t plist, bool track);
herr_t H5Pset_create_intermediate_group(hid_t lcpl, unsigned create);
herr_t H5Pset_chunk_cache(hid_t dapl, size_t slots, size_t bytes, double preempt);
herr_t H5Pset_chunk(hid_t dcpl, int rank, const hsize_t *dims);
herr_t H5Pset_deflate(hid_t dcpl, unsigned level);
herr_t H5Pset_shuffle(hid_t dcpl);
herr_t H5Pget_link_creation_order(hid_t gcpl, unsigned *flags);
int H5Pget_layout(hid_t dcpl);
int H5Pget_chunk(hid_t dcpl, int rank, hsize_t *dims);
int H5Pget_external_count(hid_t dcpl);
int H5Pget_nfilters(hid_t dcpl);
int H5Pget_filter2(hid_t dcpl, unsigned index, unsigned *flags, size_t *n, unsigned *values, size_t name_len,
                   char *name, unsigned *config);

extern hid_t H5P_CLS_FILE_ACCESS_ID_g, H5P_CLS_FILE_CREATE_ID_g, H5P_CLS_DATASET_CREATE_ID_g,
    H5P_CLS_DATASET_ACCESS_ID_g,
    H5P_CLS_GROUP_CREATE_ID_g, H5P_CLS_LINK_CREATE_ID_g;
extern hid_t H5T_NATIVE_FLOAT_g, H5T_NATIVE_DOUBLE_g, H5T_NATIVE_INT8_g, H5T_NATIVE_INT16_g, H5T_NATIVE_INT32_g,
    H5T_NATIVE_INT64_g, H5T_NATIVE_UINT8_g, H5T_NATIVE_UINT16_g, H5T_NATIVE_UINT32_g, H5T_NATIVE_UINT64_g,
    H5T_C_S1_g, H5T_IEEE_F32LE_g, H5T_IEEE_F64LE_g, H5T_STD_I32LE_g, H5T_STD_I64LE_g, H5T_STD_U8LE_g;

/* What needs C callbacks; in helpers.c. */

/* or_start readies the library: no printed errors, no filter plugins. */
int or_start(void);
/* or_error_text copies the innermost message of the error stack and empties the stack. */
void or_error_text(char *buffer, size_t size);

typedef struct {
    char *name;
    int link_type;
} or_name;
typedef struct {
    or_name *items;
    size_t count, capacity;
} or_names;
/* or_links and or_attributes list names; the caller frees the result with or_names_free. */
int or_links(hid_t group, or_names *names, size_t limit);
int or_attributes(hid_t object, or_names *names, size_t limit);
void or_names_free(or_names *names);

typedef struct {
    uint64_t file_size, smallest, largest; /* bounds of a stored chunk */
    uint64_t bad_at, bad_size;             /* the first chunk outside of them */
    int bad;
} or_chunk_check;
/* or_chunks compares where all stored chunks lie, and their sizes, with the bounds. */
int or_chunks(hid_t dataset, or_chunk_check *check);

#endif
