package main

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// table prints rows with their columns aligned.
type table struct {
	head []string
	rows [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) print(m *Main) {
	width := make([]int, len(t.head))
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	fmt.Fprintln(m.Stdout, m.paintOut("2", t.line(t.head, width)))
	for _, row := range t.rows {
		fmt.Fprintln(m.Stdout, t.line(row, width))
	}
}

func (t *table) line(row []string, width []int) string {
	var b strings.Builder
	for i, cell := range row {
		b.WriteString(cell)
		if i < len(row)-1 {
			b.WriteString(strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell)+2))
		}
	}
	return strings.TrimRight(b.String(), " ")
}
