// Parses JSON nested nearly as deep as Go's parser allows; the parser recurses for each level.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

const levels = 9000

func main() {
	text := strings.Repeat("[", levels) + strings.Repeat("]", levels)
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	depth := 0
	for list, is := value.([]any); is; list, is = value.([]any) {
		depth++
		if len(list) == 0 {
			break
		}
		value = list[0]
	}
	fmt.Println("levels read:", depth)
}
