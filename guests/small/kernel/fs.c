#include "kernel.h"
void fs_init(void){}
i64 fs_open(const char *name, int flags){return E_NODISK;}
i64 fs_read(int entry, u64 offset, va_t to, u64 n){return E_NODISK;}
i64 fs_write(int entry, u64 offset, va_t from, u64 n){return E_NODISK;}
i64 fs_size(int entry){return 0;}
i64 fs_list(u64 index, struct entry *out){return E_NODISK;}
i64 fs_unlink(const char *name){return E_NODISK;}
void fs_entry_share(int entry){}
void fs_entry_close(int entry){}
u64 fs_free_blocks(void){return 0;}
i64 fs_sync(void){return E_NODISK;}
