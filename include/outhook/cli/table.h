#ifndef OUTHOOK_CLI_TABLE_H
#define OUTHOOK_CLI_TABLE_H

/*
 * An aligned table that fits the terminal: columns that may shrink do, the widest first; when that
 * isn't enough, columns are left out, the least important first. Rows come in blocks, each as wide
 * as the ones before it or wider, so that a table of any length needs no more memory than a block.
 */

#include "outhook/cli/terminal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TABLE_COLUMNS_MAX = 12 };

struct table_column {
    const char *title;
    int least; /* the width that it may shrink to; 0: it never shrinks */
    int rank;  /* of those that may be left out, the highest goes first; 0: it never goes */
    bool right;
};

struct table {
    const struct table_column *columns;
    int column_count;
    struct table_cell {
        char *text;
        enum terminal_style style;
    } * cells; /* row by row */
    size_t cell_count;
    int widths[TABLE_COLUMNS_MAX]; /* so far; 0: left out */
    bool titled;
};

/* Begins a table. `columns` must outlive it. Ended with table_free(). */
void table_init(struct table *table, const struct table_column *columns, int column_count);

/* Adds the next cell, of the next row when the last one is full. The text is copied; NULL is empty.
 */
void table_add(struct table *table, const char *text, enum terminal_style style);

/* Adds a length of time, or an empty cell when it isn't there. */
void table_add_age(struct table *table, int64_t ms, bool there);

/* Prints the rows added so far, before the first ones the titles, in lines of at most `columns`,
 * and forgets them. */
void table_print(struct table *table, int columns);

void table_free(struct table *table);

#endif
