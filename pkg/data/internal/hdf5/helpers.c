#include "libhdf5.h"

#include <stdlib.h>
#include <string.h>

int or_start(void) {
    if (H5open() < 0) return -1;
    /* The error stack and its printer belong to the thread; the caller repeats this call on each. */
    if (H5Eset_auto2(H5E_DEFAULT, NULL, NULL) < 0) return -1;
    return H5PLset_loading_state(0);
}

typedef struct {
    char *buffer;
    size_t size;
} text;

/* The walk goes upward from the innermost call, whose message says most: it alone is kept. */
static herr_t keep_first(unsigned n, const H5E_error2_t *error, void *data) {
    text *t = data;
    if (n == 0 && error->desc != NULL) {
        strncpy(t->buffer, error->desc, t->size - 1);
        t->buffer[t->size - 1] = '\0';
    }
    return 0;
}

void or_error_text(char *buffer, size_t size) {
    text t = {buffer, size};
    buffer[0] = '\0';
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, &t);
    H5Eclear2(H5E_DEFAULT);
}

typedef struct {
    or_names *names;
    size_t limit;
} collector;

static herr_t collect(collector *c, const char *name, int link_type) {
    or_names *names = c->names;
    if (names->count >= c->limit) return -1;
    if (names->count == names->capacity) {
        size_t capacity = names->capacity == 0 ? 16 : 2 * names->capacity;
        or_name *items = realloc(names->items, capacity * sizeof *items);
        if (items == NULL) return -1;
        names->items = items;
        names->capacity = capacity;
    }
    char *copy = strdup(name);
    if (copy == NULL) return -1;
    names->items[names->count++] = (or_name){copy, link_type};
    return 0;
}

static herr_t collect_link(hid_t group, const char *name, const H5L_info2_t *info, void *data) {
    (void)group;
    return collect(data, name, info->type);
}

static herr_t collect_attribute(hid_t object, const char *name, const void *info, void *data) {
    (void)object;
    (void)info;
    return collect(data, name, H5L_TYPE_HARD);
}

/* Groups that track the order of creation are listed in it, as h5py does. */
static int link_index(hid_t group) {
    unsigned flags = 0;
    hid_t plist = H5Gget_create_plist(group);
    if (plist < 0) return H5_INDEX_NAME;
    if (H5Pget_link_creation_order(plist, &flags) < 0) flags = 0;
    H5Pclose(plist);
    return (flags & H5P_CRT_ORDER_TRACKED) != 0 ? H5_INDEX_CRT_ORDER : H5_INDEX_NAME;
}

int or_links(hid_t group, or_names *names, size_t limit) {
    collector c = {names, limit};
    hsize_t at = 0;
    return H5Literate2(group, link_index(group), H5_ITER_INC, &at, collect_link, &c);
}

int or_attributes(hid_t object, or_names *names, size_t limit) {
    collector c = {names, limit};
    hsize_t at = 0;
    return H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_INC, &at, collect_attribute, &c);
}

void or_names_free(or_names *names) {
    for (size_t i = 0; i < names->count; i++) free(names->items[i].name);
    free(names->items);
    *names = (or_names){NULL, 0, 0};
}

static int check_chunk(const hsize_t *offset, unsigned filter_mask, haddr_t addr, hsize_t size, void *data) {
    (void)offset;
    (void)filter_mask;
    or_chunk_check *c = data;
    if (size >= c->smallest && size <= c->largest && addr <= c->file_size && size <= c->file_size - addr) return 0;
    c->bad = 1;
    c->bad_at = addr;
    c->bad_size = size;
    return 1; /* ends the walk */
}

int or_chunks(hid_t dataset, or_chunk_check *check) {
    return H5Dchunk_iter(dataset, H5P_DEFAULT, check_chunk, check);
}
