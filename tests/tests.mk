# How the tests are built and run. Included by the Makefile.
TEST_OBJ := $(TEST_SUPPORT:%.c=$(BUILD)/obj/%.o)
$(BUILD)/tests/%: $(BUILD)/obj/tests/unit/%.o $(TEST_OBJ) $(BUILD)/libpilot.a
	@mkdir -p $(dir $@)
	$(CXX) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lcmocka

unit: $(TESTS) ## build and run the unit tests
	@/usr/bin/python3 tests/tools/run_tests.py --unit $(BUILD)/tests
