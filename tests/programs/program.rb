# Run by Ruby on capOS: prints, computes, catches errors, reads and writes files in the folder it was given.
require "json"
require "set"

Point = Struct.new(:x, :y)

puts "Hello from #{RUBY_ENGINE} on capOS"
puts "2**200 = #{2**200}"
primes = (2..200).each_with_object([]) { |n, found| found << n if found.none? { |p| (n % p).zero? } }
puts "primes: #{primes.size}, the last #{primes.last}"
begin
  Integer("x")
rescue ArgumentError => error
  puts "caught #{error.class}"
end
puts [Point.new(3, 4), Point.new(1, 2)].min_by(&:x).to_a.inspect

words = File.read("/work/input.txt").split
puts "words: #{words.size}, different: #{words.to_set.size}"
Dir.mkdir("/work/out")
File.write("/work/out/counts.json", JSON.generate(words.tally.sort))
File.rename("/work/out/counts.json", "/work/out/result.json")
puts "files: #{Dir.children("/work").sort.inspect}"
begin
  File.read("/elsewhere/file")
rescue SystemCallError => error
  puts "elsewhere: #{error.class}"
end
exit 7
